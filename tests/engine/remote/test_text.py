"""Text that goes to servers which take no ids, and to tokenizers that see a token in every name."""

import pytest

from localcoder.engine.local import LocalEngine
from localcoder.engine.remote.text import apart, text_of
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.errors import LocalcoderError

CONTROL = {name: i for i, name in enumerate(CONTROL_NAMES)}


def test_a_prompt_as_text_has_its_tokens_by_their_names() -> None:
    ids, pieces = (1, 90, 3, 91, 2), [b"<fim_prefix>", b"a <", b"<fim_suffix>", b"\xc3\xa9", b"<fim_middle>"]
    assert text_of(ids, pieces, CONTROL) == "<fim_prefix>a <<fim_suffix>é<fim_middle>"


@pytest.mark.parametrize("pieces", [[b"x<fim_middle>y"], [b"<fim_", b"middle>"], [b"<|endoftext|>"], [b"<", b"NAME>"]])
def test_code_that_looks_like_a_token_is_refused(pieces: list[bytes]) -> None:
    ids = (1, *range(90, 90 + len(pieces)), 2)
    with pytest.raises(LocalcoderError, match=r"The code contains <(fim_middle|\|endoftext\||NAME)>"):
        text_of(ids, [b"<fim_prefix>", *pieces, b"<fim_middle>"], CONTROL)


async def test_text_that_is_cut_apart_has_the_ids_of_the_whole(engine: LocalEngine) -> None:
    before = ["", "x", " ", "(", "<", "a <", "\n\t", "é", "9", "<fim_middle>", "_", "|"]
    for name in CONTROL_NAMES:
        texts = [start + name + end for start in before for end in ("", "x", " ", "<fim_prefix>", ">", "|")]
        for text, ids in zip(texts, await engine.tokenize(texts), strict=True):
            parts = apart(text, CONTROL_NAMES)
            assert "".join(parts) == text and not any(each in part for part in parts for each in CONTROL_NAMES)
            assert [i for part in await engine.tokenize(parts) for i in part] == list(ids), text
