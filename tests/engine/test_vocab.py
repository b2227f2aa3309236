from hypothesis import given
from hypothesis import strategies as st

from localcoder.engine.vocab import TextStream, end_ids, special_ids


@given(st.text(), st.lists(st.integers(1, 7)))
def test_text_arrives_whole_however_its_bytes_are_cut(text: str, cuts: list[int]) -> None:
    stream, data, out = TextStream(), text.encode("utf-8", "replace"), []
    position = 0
    for cut in [*cuts, len(data)]:
        out.append(stream.feed(data[position : position + cut]))
        position += cut
    assert "".join(out) + stream.finish() == data.decode()
    assert all("\ufffd" not in piece for piece in out) or "\ufffd" in text


def test_bytes_that_are_no_text_come_out_as_replacement_characters() -> None:
    stream = TextStream()
    assert stream.feed(b"a\xff") + stream.feed(b"b\xe2\x82") + stream.finish() == "a\ufffdb\ufffd"


def test_every_control_token_ends_a_middle_but_the_redactions() -> None:
    control = {"<|endoftext|>": 0, "<fim_middle>": 2, "<file_sep>": 6, "<NAME>": 34, "<jupyter_code>": 12}
    assert end_ids(control, [0, 99]) == (0, 2, 6, 12, 99)
    assert special_ids(control).file_sep == 6
    assert special_ids(control).repo_name is None
