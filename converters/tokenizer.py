"""tokenizer.json → GGUF vocabulary: tokens, kinds, merges, special ids, and the ids that fill-in-the-middle needs.

Keys as llama.cpp's converter writes them, plus the six `tokenizer.ggml.fim_*_token_id`: without `rep` and `sep`,
llama.cpp's own programs run on into "the next file".

llama.cpp picks its pre-tokenizer by name. "starcoder" splits off single digits and then applies GPT-2's expression; a
tokenizer.json that defines another pre-tokenizer would tokenize wrongly under that name, so it is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, SpecialVocab, TokenType

from converters.checkpoint import read_json_file
from converters.errors import ConvertError

PRE_TOKENIZER = "starcoder"

FIM_TOKENS = {
    "fim_pre": "<fim_prefix>",
    "fim_suf": "<fim_suffix>",
    "fim_mid": "<fim_middle>",
    "fim_pad": "<fim_pad>",
    "fim_rep": "<repo_name>",
    "fim_sep": "<file_sep>",
}
"""Stem of `tokenizer.ggml.<stem>_token_id` → StarCoder2's token."""

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class Vocabulary:
    """Token `i` is `tokens[i]` in GPT-2's byte alphabet, of kind `kinds[i]` (gguf.TokenType)."""

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    special: SpecialVocab
    fim: Mapping[str, int]


def read_vocabulary(directory: Path, size: int) -> Vocabulary:
    """The vocabulary of a checkpoint with `size` embedding rows; rows without a token get a placeholder.

    Raises ConvertError (exit code 2) for a tokenizer that llama.cpp's "starcoder" would not reproduce.
    """
    tokenizer = read_json_file(directory / "tokenizer.json")
    ids, added = _token_ids(tokenizer, size)
    require_starcoder(tokenizer)
    tokens = [f"[PAD{i}]" for i in range(size)]
    kinds = [int(TokenType.UNUSED)] * size
    for text, token_id in ids.items():
        tokens[token_id] = text
        kinds[token_id] = _kind(text, added.get(text))
    special = _special(directory, size, ids)
    fim = {stem: ids[text] for stem, text in FIM_TOKENS.items() if text in ids}
    return Vocabulary(tuple(tokens), tuple(kinds), special, fim)


def add_keys(writer: GGUFWriter, vocabulary: Vocabulary) -> None:
    """Write the tokenizer's keys."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.kinds))
    vocabulary.special.add_to_gguf(writer, quiet=True)
    for stem, token_id in vocabulary.fim.items():
        writer.add_uint32(f"tokenizer.ggml.{stem}_token_id", token_id)


def require_starcoder(tokenizer: Mapping[str, Any]) -> None:
    """Refuse a tokenizer.json that defines anything but StarCoder2's byte-level BPE with single digits."""
    model = tokenizer["model"]
    plain = {
        "dropout": (None, 0),
        "continuing_subword_prefix": (None, ""),
        "end_of_word_suffix": (None, ""),
        "byte_fallback": (None, False),
        "ignore_merges": (None, False),
        "unk_token": (None, END_OF_TEXT),
    }
    for key, allowed in plain.items():
        if model.get(key) not in allowed:
            raise _foreign(f"its BPE has {key} = {str(model.get(key))[:40]!r}")
    if tokenizer.get("normalizer") is not None:
        raise _foreign("it normalizes text")
    pre = tokenizer.get("pre_tokenizer")
    steps = pre.get("pretokenizers") if isinstance(pre, dict) and pre.get("type") == "Sequence" else [pre]
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise _foreign("its pre-tokenizer is malformed")
    found = [
        (
            kind := step.get("type"),
            *(step.get(key, default) for key, default in _STEP_OPTIONS.get(str(kind), {}).items()),
        )
        for step in steps
    ]
    if found != [("Digits", True), ("ByteLevel", False, True)]:
        names = " + ".join(str(step.get("type"))[:40] for step in steps)
        raise _foreign(f"its pre-tokenizer is another one ({names})")


_STEP_OPTIONS: dict[str, dict[str, bool]] = {
    "Digits": {"individual_digits": False},
    "ByteLevel": {"add_prefix_space": True, "use_regex": True},
}
"""What decides how a step splits, with the tokenizers library's defaults."""


def _foreign(what: str) -> ConvertError:
    return ConvertError(
        f"tokenizer.json is not StarCoder2's: {what}.",
        "llama.cpp would tokenize differently, so the model would be useless.",
        exit_code=2,
    )


def _token_ids(tokenizer: Mapping[str, Any], size: int) -> tuple[dict[str, int], dict[str, bool]]:
    """Token → id of all tokens, and added token → whether it is special."""
    model = tokenizer.get("model")
    added = tokenizer.get("added_tokens") or []
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise _foreign("it is not BPE")
    merges = model.get("merges")
    if not isinstance(merges, list) or not merges or not all(_is_merge(m) for m in merges):
        raise _foreign("its merges are missing or malformed")
    found: dict[str, Any] = dict(model["vocab"])
    special: dict[str, bool] = {}
    for entry in added if isinstance(added, list) else [None]:
        if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
            raise _foreign("its added tokens are malformed")
        found[entry["content"]] = entry.get("id")
        special[entry["content"]] = entry.get("special") is True
    if not found:
        raise _foreign("its vocabulary is empty")
    ids = {token: i for token, i in found.items() if isinstance(i, int) and not isinstance(i, bool) and i >= 0}
    if len(ids) != len(found) or len(set(ids.values())) != len(ids):
        raise _foreign("its ids are malformed or used twice")
    if (largest := max(ids.values())) >= size:
        raise ConvertError(
            f"tokenizer.json has the id {largest}, but the model has {size} embeddings.",
            "Tokenizer and weights are of different models.",
            exit_code=2,
        )
    return ids, special


def _is_merge(merge: Any) -> bool:
    if isinstance(merge, str):
        return merge.count(" ") == 1
    return isinstance(merge, list) and len(merge) == 2 and all(isinstance(part, str) for part in merge)


def _kind(text: str, special: bool | None) -> int:
    if special is None:
        return int(TokenType.NORMAL)
    if special or (text.startswith("<|") and text.endswith("|>")):
        return int(TokenType.CONTROL)
    return int(TokenType.USER_DEFINED)


def _special(directory: Path, size: int, ids: Mapping[str, int]) -> SpecialVocab:
    """bos, eos and the like, the merges and the chat template. Ids that the vocabulary does not have are dropped."""
    # Out-of-range ids are expected here (eos 50256 of old configs) and handled, so the library need not warn.
    logging.getLogger("gguf.vocab").setLevel(logging.ERROR)
    try:
        special = SpecialVocab(directory, load_merges=True, n_vocab=size)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, OSError, RecursionError) as error:
        raise ConvertError(
            f"The tokenizer's configuration is malformed: {error!s:.80}.",
            "Get tokenizer_config.json and tokenizer.json of the checkpoint again.",
            exit_code=2,
        ) from None
    if END_OF_TEXT in ids:
        for kind in ("bos", "eos"):
            special.special_token_ids.setdefault(kind, ids[END_OF_TEXT])
    return special
