"""The pre-tokenizer is recognized by its definition; ids that the vocabulary does not have are never trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf import TokenType

from converters.errors import ConvertError
from converters.tokenizer import read_vocabulary
from tests.converters.checkpoints import write_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "c")


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def digits(individual: bool) -> dict[str, Any]:
    return {"type": "Digits", "individual_digits": individual}


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPLIT = {"type": "Split", "pattern": {"Regex": r"\d"}, "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(
    "pre",
    [
        None,
        BYTES,
        {"type": "Sequence", "pretokenizers": [BYTES, digits(True)]},
        {"type": "Sequence", "pretokenizers": [digits(False), BYTES]},
        {"type": "Sequence", "pretokenizers": [digits(True), {**BYTES, "use_regex": False}]},
        {"type": "Sequence", "pretokenizers": [digits(True), {**BYTES, "add_prefix_space": True}]},
        {"type": "Sequence", "pretokenizers": [SPLIT, BYTES]},
        {"type": "Sequence", "pretokenizers": [digits(True), SPLIT, BYTES]},
        {"type": "Sequence", "pretokenizers": "x"},
        {"type": "Whitespace"},
    ],
)
def test_other_pre_tokenizers_are_refused(pre: object, checkpoint: Path) -> None:
    change(checkpoint / "tokenizer.json", lambda t: t.update(pre_tokenizer=pre))
    with pytest.raises(ConvertError, match=r"not StarCoder2's") as caught:
        read_vocabulary(checkpoint, 300)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda t: t.update(normalizer={"type": "NFC"}), "normalizes"),
        (lambda t: t["model"].update(byte_fallback=True), "byte_fallback"),
        (lambda t: t["model"].update(type="WordPiece"), "not BPE"),
        (lambda t: t["model"].update(merges=[]), "merges"),
        (lambda t: t["model"].update(merges=[["a"]]), "merges"),
        (lambda t: t["model"]["vocab"].update(x="y"), "ids"),
        (lambda t: t["model"]["vocab"].update(x=3), "twice"),
        (lambda t: t["model"]["vocab"].update(x=5000), "5000"),
        (lambda t: t.update(added_tokens=[{"id": 1}]), "added tokens"),
        (lambda t: t.update(model=None), "not BPE"),
        (lambda t: (t.update(added_tokens=[]), t["model"].update(vocab={})), "empty"),
    ],
)
def test_malformed_tokenizers_are_refused(edit: Callable[[dict[str, Any]], None], says: str, checkpoint: Path) -> None:
    change(checkpoint / "tokenizer.json", edit)
    with pytest.raises(ConvertError, match=says):
        read_vocabulary(checkpoint, 300)


def test_rows_without_a_token_get_a_placeholder(checkpoint: Path) -> None:
    vocabulary = read_vocabulary(checkpoint, 300)
    assert len(vocabulary.tokens) == 300
    assert vocabulary.tokens[299] == "[PAD299]"
    assert vocabulary.kinds[299] == TokenType.UNUSED
    assert vocabulary.kinds[0] == TokenType.CONTROL
    assert vocabulary.kinds[20] == TokenType.NORMAL


def test_an_end_token_beyond_the_vocabulary_is_not_trusted(checkpoint: Path) -> None:
    change(checkpoint / "config.json", lambda c: c.update(eos_token_id=50256, bos_token_id=50256))
    (checkpoint / "generation_config.json").write_text(json.dumps({"eos_token_id": 50256}))
    (checkpoint / "tokenizer_config.json").unlink()
    ids = read_vocabulary(checkpoint, 300).special.special_token_ids
    assert ids["eos"] == ids["bos"] == 0


def test_fim_ids_come_from_the_tokens(checkpoint: Path) -> None:
    fim = read_vocabulary(checkpoint, 300).fim
    assert fim == {"fim_pre": 1, "fim_suf": 3, "fim_mid": 2, "fim_pad": 4, "fim_rep": 5, "fim_sep": 6}


def test_the_chat_template_is_kept(checkpoint: Path) -> None:
    change(checkpoint / "tokenizer_config.json", lambda c: c.update(chat_template="{{ messages }}"))
    assert read_vocabulary(checkpoint, 300).special.chat_template == "{{ messages }}"
