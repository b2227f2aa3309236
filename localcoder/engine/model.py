"""A model in llama.cpp: loaded from a file, its vocabulary, its adapters. Runs in the worker process only.

Function names, structs and constants are those of llama.cpp's `include/llama.h`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib

from localcoder.engine.api import Lora, ModelInfo
from localcoder.engine.page_release import release_pages
from localcoder.engine.vocab import REDACTIONS, end_ids, special_ids
from localcoder.engine.wire import Load
from localcoder.errors import LocalcoderError

PUBLISHED_WINDOW = 4096
"""The sliding window of every published StarCoder2, which files from llama.cpp's own converter do not mention."""
_LOG_WARN, _LOG_ERROR = 3, 4


class Model:
    """`handle` is llama.cpp's pointer to it. All of `end_ids` end a completion; `window` is in tokens, 0 for none."""

    def __init__(self, load: Load) -> None:
        self.path = Path(load.path)
        check_header(self.path)
        lib.llama_log_set(_log_callback, ctypes.c_void_p(0))
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = load.n_gpu_layers
        params.vocab_only = load.vocabulary_only
        forget_errors()
        self.handle: int = lib.llama_model_load_from_file(str(self.path).encode(), params)
        if not self.handle:
            raise LocalcoderError(
                f"{self.path} cannot be loaded: {first_error()}.",
                "The file may be cut short or damaged: get or convert it again.",
            )
        if not load.vocabulary_only:
            release_pages(self.path)
        self._vocab = lib.llama_model_get_vocab(self.handle)
        self.n_vocab: int = lib.llama_vocab_n_tokens(self._vocab)
        self._pieces = [self._read_piece(i) for i in range(self.n_vocab)]
        self.control = {
            self._pieces[i].decode("utf-8", "replace"): i
            for i in range(self.n_vocab)
            if lib.llama_vocab_is_control(self._vocab, i)
        }
        declared = (i for i in range(self.n_vocab) if lib.llama_vocab_is_eog(self._vocab, i))
        self.end_ids = frozenset(end_ids(self.control, declared))
        self._by_first_byte: dict[int, list[int]] = {}
        for i, piece in enumerate(self._pieces):
            if piece and i not in self.end_ids:
                self._by_first_byte.setdefault(piece[0], []).append(i)
        self.window = int(self._meta("starcoder2.attention.sliding_window") or PUBLISHED_WINDOW)
        self.n_ctx_train: int = lib.llama_model_n_ctx_train(self.handle)
        self.build = f"llama-cpp-python {version('llama-cpp-python')}"
        self._is_demo = load.is_demo

    def info(self, n_ctx: int) -> ModelInfo:
        """What others may know of it, with a context of so many tokens."""
        ftype = lib.llama_ftype_name(lib.llama_model_ftype(self.handle))
        return ModelInfo(
            name=self.path.stem,
            path=str(self.path),
            architecture=self._meta("general.architecture"),
            type_name=ftype.decode().split(" ")[0] if ftype else "?",
            size_bytes=lib.llama_model_size(self.handle),
            parameters=lib.llama_model_n_params(self.handle),
            n_vocab=self.n_vocab,
            n_ctx_train=self.n_ctx_train,
            n_ctx=n_ctx,
            window=self.window,
            special=special_ids(self.control),
            end_ids=tuple(sorted(self.end_ids)),
            redaction_ids=tuple(sorted(self.control[name] for name in REDACTIONS if name in self.control)),
            is_demo=self._is_demo,
            control=tuple(sorted(self.control.items(), key=lambda item: item[1])),
            chat_template=self._meta("tokenizer.chat_template"),
        )

    def tokenize(self, text: str) -> list[int]:
        """User text as ids: never a control token, no token added. Lone surrogates become U+FFFD."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 2
        ids = (lib.llama_token * size)()
        count = lib.llama_tokenize(self._vocab, data, len(data), ids, size, False, False)
        if count < 0:
            raise LocalcoderError("The text could not be tokenized.", "Check the model with `localcoder inspect`.")
        return ids[:count]

    def piece(self, token: int) -> bytes:
        """The exact bytes of a token; a control token gives its name."""
        return self._pieces[token]

    def beginning_with(self, text: bytes) -> list[int]:
        """The tokens that go along with `text`: they begin with it, or it begins with them."""
        return [
            token
            for token in self._by_first_byte.get(text[0], ())
            if text.startswith(self._pieces[token]) or self._pieces[token].startswith(text)
        ]

    def adapter(self, lora: Lora) -> Any:
        """llama.cpp's handle of an adapter, freed with the model. Raises LocalcoderError if it does not fit."""
        if not Path(lora.path).is_file():
            raise LocalcoderError(f"There is no adapter file {lora.path}.", "Check the path.", exit_code=2)
        forget_errors()
        adapter = lib.llama_adapter_lora_init(self.handle, lora.path.encode())
        if not adapter:
            raise LocalcoderError(
                f"{lora.path} is no adapter for this model: {first_error()}.",
                "Make one with `localcoder convert ADAPTER_DIR`, for the same base model.",
                exit_code=2,
            )
        return adapter

    def close(self) -> None:
        lib.llama_model_free(self.handle)

    def _read_piece(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, True)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def _meta(self, key: str) -> str:
        """A value of the file's metadata as text; "" where it has none of that name."""
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lib.llama_model_meta_val_str(self.handle, key.encode(), buffer, size)
            if length < size:
                return buffer.value.decode("utf-8", "replace")
            size = length + 1


_errors: list[str] = []
"""The first errors of the last call that can fail; who makes one clears them."""
_MOST_ERRORS = 8


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _log_callback(level: int, text: bytes, _: object) -> None:
    """llama.cpp has one log a process: warnings go to standard error, and errors are kept for whoever asks why."""
    if level in (_LOG_WARN, _LOG_ERROR):
        line = text.decode("utf-8", "replace")
        sys.stderr.write(line)
        if level == _LOG_ERROR and len(_errors) < _MOST_ERRORS:
            _errors.append(line.strip())


def forget_errors() -> None:
    """Before a call that can fail."""
    _errors.clear()


def first_error() -> str:
    """Why the call failed: its first error is the cause, those that follow only pass it on."""
    line = _errors[0] if _errors else "no reason given"
    return line.split(": ", 1)[-1] if line.startswith(("llama_", "gguf_")) else line


def check_header(path: Path) -> None:
    """Refuse what is no GGUF, or not a StarCoder2, before llama.cpp reads it.

    The beginning of a GGUF (ggml's docs/gguf.md): magic, u32 version, u64 tensors, u64 pairs, then the pairs; every
    writer puts `general.architecture` first, as a string (type 8).
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        what = "There is no model file" if isinstance(error, FileNotFoundError) else "Cannot read the model file"
        raise LocalcoderError(f"{what} {path}.", "Check the path given to --model.", exit_code=2) from None
    if head[:4] != b"GGUF":
        raise LocalcoderError(f"{path} is not a GGUF file.", "Give a StarCoder2 model in GGUF format.", exit_code=2)
    key = b"general.architecture"
    at = 24 + 8 + len(key) + 4
    if len(head) < at + 8:
        raise LocalcoderError(f"{path} is cut short.", "Get or convert it again.")
    if head[32 : 32 + len(key)] != key:
        return
    (length,) = struct.unpack_from("<Q", head, at)
    architecture = head[at + 8 : at + 8 + min(length, 64)].decode("utf-8", "replace")
    if architecture != "starcoder2":
        raise LocalcoderError(
            f"{path} is a model of architecture {architecture!r}, not a StarCoder2.",
            "localcoder runs StarCoder2 models only.",
            exit_code=2,
        )
