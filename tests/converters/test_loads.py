"""llama.cpp itself loads what is written, and tokenizes with it as published."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import pytest

from converters.checkpoint import open_checkpoint
from converters.convert import run
from converters.model import read_model
from converters.request import ConversionRequest, prepare
from converters.rows import LocalShards
from tests.converters.driving import convert, finish


@contextmanager
def loaded(path: Path, *, vocab_only: bool) -> Iterator[Any]:
    silent = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p())
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = vocab_only
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
    assert model
    yield model
    llama_cpp.llama_model_free(model)


@pytest.mark.parametrize("split", [0, 400_000])
def test_llama_cpp_loads_it(mini: Path, tmp_path: Path, split: int) -> None:
    request = ConversionRequest(tmp_path, ("Q8_0",), split_max_bytes=split)
    plan = finish(prepare(request, read_model(open_checkpoint(mini)), LocalShards(mini))).plan
    written = finish(run(plan, LocalShards(mini)))
    assert (len(written) > 1) == bool(split)
    with loaded(written[0].path, vocab_only=False) as model:
        assert llama_cpp.llama_model_n_layer(model) == 2
        vocab = llama_cpp.llama_model_get_vocab(model)
        ids = [
            getattr(llama_cpp, f"llama_vocab_fim_{stem}")(vocab) for stem in ("pre", "suf", "mid", "pad", "rep", "sep")
        ]
        assert ids == [1, 3, 2, 4, 5, 6]
        assert llama_cpp.llama_vocab_is_eog(vocab, 6)


def test_the_published_tokenizations(shared: Path, published: Path, tmp_path: Path) -> None:
    folder = shared / "starcoder2-vocab"
    texts = (folder / "ggml-vocab-starcoder.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = (folder / "ggml-vocab-starcoder.gguf.out").read_text().split("\n")
    with loaded(convert(published, tmp_path, "BF16").files[0].path, vocab_only=True) as model:
        vocab = llama_cpp.llama_model_get_vocab(model)
        checked = 0
        for text, line in zip(texts, lines, strict=False):
            data, found = text.encode(), (ctypes.c_int32 * 4096)()
            count = llama_cpp.llama_tokenize(vocab, data, len(data), found, 4096, False, False)
            assert list(found[:count]) == [int(token) for token in line.split()], text
            checked += 1
    assert checked >= 46


def test_the_same_tokens_as_the_tokenizers_library(mini: Path, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    reference = tokenizers.Tokenizer.from_str((mini / "tokenizer.json").read_text())
    with loaded(convert(mini, tmp_path, "Q8_0").files[0].path, vocab_only=True) as model:
        vocab = llama_cpp.llama_model_get_vocab(model)
        for text in ("def f(x):\n    return x12 + 345", "in return def", "é\t😀  ", json.dumps({"a": [1, 23]})):
            found = (ctypes.c_int32 * 512)()
            count = llama_cpp.llama_tokenize(vocab, text.encode(), len(text.encode()), found, 512, False, False)
            assert list(found[:count]) == reference.encode(text).ids
