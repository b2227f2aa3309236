"""llama.cpp through llama_cpp's C functions: load, tokenize, decode, sample. Runs in the worker process only.

Function names, structs and constants are those of llama.cpp's `include/llama.h`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np

from localcoder.engine.api import Lora, ModelInfo, Sampling
from localcoder.engine.page_release import release_pages
from localcoder.engine.vocab import REDACTIONS, end_ids, special_ids
from localcoder.errors import LocalcoderError

MAX_BATCH = 128
"""Tokens a decode call takes at most: as fast as larger ones on a CPU, and the compute buffer stays small."""
MAX_OUTPUTS = 64
"""Positions of one batch whose logits can be asked for."""
PUBLISHED_WINDOW = 4096
"""The sliding window of every published StarCoder2, which files from llama.cpp's own converter do not mention."""
ARCHIVE_CELLS = 512
"""KV cells beyond window and batch, for tokens that left the window and may be needed again."""
ALTERNATIVE_TEMPERATURE = 0.8
"""For alternatives to a greedy completion, which would all be the same."""
_SEQUENCES = 16
_SLOT_SEQUENCES = 4
_LOG_WARN, _LOG_ERROR = 3, 4
_NO_PENALTIES = (0.0, 0.0)
"""Frequency and presence."""


class DecodeAborted(Exception):
    """The abort flag was raised while a batch was computed."""


@dataclass(frozen=True)
class LoadOptions:
    """`n_ctx` 0: the window (or the trained context) with room for a batch. `n_gpu_layers` −1: all of them."""

    path: str
    n_threads: int
    n_ctx: int = 0
    n_gpu_layers: int = -1
    is_demo: bool = False
    loras: tuple[Lora, ...] = ()
    snapshots_dir: str | None = None
    snapshots_limit_bytes: int = 0
    power_saving: bool = False


class Llama:
    """One model and one context. Methods other than `tokenize` and `piece` belong to one thread."""

    first_spare_sequence = _SLOT_SEQUENCES
    spare_sequences = _SEQUENCES - _SLOT_SEQUENCES
    """Sequences that no slot of the cache uses."""

    def __init__(self, options: LoadOptions) -> None:
        path = Path(options.path)
        check_header(path)
        lib.llama_log_set(_log_callback, ctypes.c_void_p(0))
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = options.n_gpu_layers
        _errors.clear()
        self._model: int = lib.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise self._load_error(path)
        release_pages(path)
        self._vocab = lib.llama_model_get_vocab(self._model)
        n_vocab = lib.llama_vocab_n_tokens(self._vocab)
        self._pieces = [self._read_piece(i) for i in range(n_vocab)]
        control = {
            self._pieces[i].decode("utf-8", "replace"): i
            for i in range(n_vocab)
            if lib.llama_vocab_is_control(self._vocab, i)
        }
        ends = end_ids(control, (i for i in range(n_vocab) if lib.llama_vocab_is_eog(self._vocab, i)))
        window = int(self._meta("starcoder2.attention.sliding_window") or PUBLISHED_WINDOW)
        n_ctx_train = lib.llama_model_n_ctx_train(self._model)
        wanted = min(n_ctx_train, window or n_ctx_train) + MAX_BATCH + ARCHIVE_CELLS
        self._context = self._new_context(options, options.n_ctx or wanted)
        self._set_loras(options.loras)
        self._memory = lib.llama_get_memory(self._context)
        self.can_shift: bool = lib.llama_memory_can_shift(self._memory)
        self.n_cells: int = lib.llama_n_ctx(self._context)
        self.n_vocab = n_vocab
        self.n_threads = options.n_threads
        self.control = control
        self._by_first_byte: dict[int, list[int]] = {}
        for i, piece in enumerate(self._pieces):
            if piece and i not in ends:
                self._by_first_byte.setdefault(piece[0], []).append(i)
        self.end_ids = frozenset(ends)
        self._batch = lib.llama_batch_init(MAX_BATCH, 0, 1)
        # Called once a graph node, from a thread that computes: strlen of a string that is empty until someone writes
        # a byte into it answers "abort?" without entering Python, which would cost a lock a node.
        self._abort = ctypes.create_string_buffer(2)
        self._abort_check = ctypes.cast(ctypes.CDLL(None).strlen, lib.ggml_abort_callback)
        self._abort_once_shifted = lib.ggml_abort_callback(self._is_abort_due)
        self._is_shift_pending = False
        self._first_of_batch = (0, 0)
        self._set_abort_check(self._abort_check)
        ftype = lib.llama_ftype_name(lib.llama_model_ftype(self._model))
        self.build = f"llama-cpp-python {version('llama-cpp-python')}"
        self.info = ModelInfo(
            name=path.stem,
            path=str(path),
            architecture=self._meta("general.architecture"),
            type_name=ftype.decode().split(" ")[0] if ftype else "?",
            size_bytes=lib.llama_model_size(self._model),
            parameters=lib.llama_model_n_params(self._model),
            n_vocab=n_vocab,
            n_ctx_train=n_ctx_train,
            n_ctx=self.n_cells,
            window=window,
            special=special_ids(control),
            end_ids=ends,
            redaction_ids=tuple(sorted(control[name] for name in REDACTIONS if name in control)),
            is_demo=options.is_demo,
        )

    def _new_context(self, options: LoadOptions, n_ctx: int) -> int:
        params = lib.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = MAX_BATCH
        params.n_outputs_max = MAX_OUTPUTS
        params.n_seq_max = _SEQUENCES
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = options.n_threads
        params.no_perf = True
        _errors.clear()
        context: int = lib.llama_init_from_model(self._model, params)
        if not context:
            raise LocalcoderError(
                f"{Path(options.path).name}: no memory for a context of {n_ctx} tokens ({self._last_error()}).",
                "Close other programs, or choose a smaller model.",
            )
        return context

    def _set_loras(self, loras: Sequence[Lora]) -> None:
        """Adapters are freed with the model. Raises LocalcoderError for one that does not fit it."""
        if not loras:
            return
        adapters = (lib.llama_adapter_lora_p_ctypes * len(loras))()
        for i, lora in enumerate(loras):
            if not Path(lora.path).is_file():
                raise LocalcoderError(f"There is no adapter file {lora.path}.", "Check the path.", exit_code=2)
            _errors.clear()
            adapters[i] = lib.llama_adapter_lora_init(self._model, lora.path.encode())
            if not adapters[i]:
                raise LocalcoderError(
                    f"{lora.path} is no adapter for this model: {self._last_error()}.",
                    "Make one with `localcoder convert ADAPTER_DIR`, for the same base model.",
                    exit_code=2,
                )
        scales = (ctypes.c_float * len(loras))(*(lora.scale for lora in loras))
        lib.llama_set_adapters_lora(self._context, adapters, len(loras), scales)

    def _last_error(self) -> str:
        """Of the call that failed: its first error is the cause, those that follow only pass it on."""
        line = _errors[0] if _errors else "no reason given"
        return line.split(": ", 1)[-1] if line.startswith(("llama_", "gguf_")) else line

    def _load_error(self, path: Path) -> LocalcoderError:
        return LocalcoderError(
            f"{path} cannot be loaded: {self._last_error()}.",
            "The file may be cut short or damaged: get or convert it again.",
        )

    def _meta(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(256)
        lib.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def model(self) -> int:
        """llama.cpp's handle of the model, for a context of another kind."""
        return self._model

    # Text

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

    def _read_piece(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, True)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    # Memory (the protocol of `cache.Memory`)

    def seq_rm(self, seq: int, p0: int, p1: int) -> None:
        lib.llama_memory_seq_rm(self._memory, seq, p0, p1)

    def seq_cp(self, source: int, target: int, p0: int, p1: int) -> None:
        lib.llama_memory_seq_cp(self._memory, source, target, p0, p1)

    def seq_add(self, seq: int, p0: int, p1: int, delta: int) -> None:
        """Shift positions. Their keys are rotated before the next batch is computed."""
        lib.llama_memory_seq_add(self._memory, seq, p0, p1, delta)
        self._is_shift_pending = True

    def seq_pos_max(self, seq: int) -> int:
        return int(lib.llama_memory_seq_pos_max(self._memory, seq))

    def sequence_state(self, seq: int) -> bytes:
        """llama.cpp's own copy of a sequence's cells."""
        size = lib.llama_state_seq_get_size(self._context, seq)
        buffer = (ctypes.c_uint8 * size)()
        written = lib.llama_state_seq_get_data(self._context, buffer, size, seq)
        return bytes(buffer)[:written]

    def restore_sequence(self, seq: int, data: bytes) -> bool:
        """Put a state into a sequence. The data has to be whole: llama.cpp asserts on what is not."""
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        return bool(lib.llama_state_seq_set_data(self._context, buffer, len(data), seq) > 0)

    # Computing

    def abort(self) -> None:
        """Make the decode that runs, or the next one, end early. From any thread."""
        self._abort[0] = b"\1"

    def clear_abort(self) -> None:
        self._abort[0] = b"\0"

    def _set_abort_check(self, check: Any) -> None:
        lib.llama_set_abort_callback(self._context, check, ctypes.addressof(self._abort))

    def _is_abort_due(self, _: object) -> bool:
        """No abort while keys are rotated: the next batch would rotate those that were done a second time.

        A batch's own cells are in the memory from the moment on when the rotation is over.
        """
        seq, position = self._first_of_batch
        return bool(self._abort.value) and self.seq_pos_max(seq) >= position

    def decode(self, ids: Sequence[int], position: int, outputs: int = 0, seq: int = 0) -> None:
        """Compute a batch whose first token stands at `position`; the last `outputs` tokens get logits.

        Raises DecodeAborted, or LocalcoderError when no cells are left.
        """
        batch, count = self._batch, len(ids)
        batch.n_tokens = count
        for i, token in enumerate(ids):
            batch.token[i] = token
            batch.pos[i] = position + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = seq
            batch.logits[i] = i >= count - outputs
        self._run(batch)

    def _run(self, batch: Any) -> None:
        _errors.clear()
        if self._is_shift_pending:
            self._first_of_batch = (batch.seq_id[0][0], batch.pos[0])
            self._set_abort_check(self._abort_once_shifted)
        status = lib.llama_decode(self._context, batch)
        if self._is_shift_pending:
            self._set_abort_check(self._abort_check)
            self._is_shift_pending = status < 0
        if status == 2:
            raise DecodeAborted
        if status == 1:
            raise LocalcoderError(
                f"The context of {self.n_cells} tokens is full: no room for {batch.n_tokens} more.",
                "Shorten the prompt, or ask for less.",
            )
        if status != 0:
            raise LocalcoderError(
                f"llama.cpp could not decode a batch (status {status}: {self._last_error()}).",
                "Shorten the prompt, or try again.",
            )

    def decode_each(self, entries: Sequence[tuple[int, int, int]]) -> None:
        """Compute one batch of (token, position, sequence), each of which gets logits. Raises as `decode`."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for i, (token, position, seq) in enumerate(entries):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = seq
            batch.logits[i] = True
        self._run(batch)

    def allow_only(self, index: int, beginning: bytes) -> None:
        """Rule out, in an output's logits, every token that does not go along with `beginning`."""
        allowed = [
            token
            for token in self._by_first_byte.get(beginning[0], ())
            if beginning.startswith(self._pieces[token]) or self._pieces[token].startswith(beginning)
        ]
        logits = self.logits(index)
        kept = logits[allowed].copy()
        logits[:] = -np.inf
        logits[allowed] = kept

    def logits(self, index: int = -1) -> np.ndarray:
        """A view of the logits, [n_vocab] float32, of an output of the last batch; valid until the next decode."""
        pointer = lib.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(pointer, shape=(self.n_vocab,))

    def use_threads(self, count: int) -> None:
        """Compute with so many threads from the next batch on."""
        lib.llama_set_n_threads(self._context, count, count)

    def sampler(self, sampling: Sampling, history: Sequence[int] = (), alternative: int = 0) -> Sampler:
        """A sampler of its own for each alternative; those after the first are never greedy."""
        if alternative:
            temperature = sampling.temperature or ALTERNATIVE_TEMPERATURE
            sampling = replace(sampling, seed=sampling.seed + alternative, temperature=temperature)
        return Sampler(self._context, self.n_vocab, sampling, history)

    def close(self) -> None:
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)


class Sampler:
    """A chain of llama.cpp's samplers. `history` is what the repeat penalty looks back on."""

    def __init__(self, context: int, n_vocab: int, sampling: Sampling, history: Sequence[int]) -> None:
        self._context = context
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for link in _links(sampling, n_vocab):
            lib.llama_sampler_chain_add(self._chain, link)
        if sampling.repeat_penalty != 1.0:
            for token in history[-sampling.repeat_last_n :]:
                lib.llama_sampler_accept(self._chain, token)

    def sample(self, index: int = -1) -> int:
        """Choose a token from an output of the last batch."""
        return int(lib.llama_sampler_sample(self._chain, self._context, index))

    def close(self) -> None:
        lib.llama_sampler_free(self._chain)


def _links(sampling: Sampling, n_vocab: int) -> Iterator[int]:
    if sampling.logit_bias:
        biases = (lib.llama_logit_bias * len(sampling.logit_bias))()
        for entry, (token, bias) in zip(biases, sampling.logit_bias, strict=True):
            entry.token, entry.bias = token, bias
        yield lib.llama_sampler_init_logit_bias(n_vocab, len(biases), biases)
    if sampling.repeat_penalty != 1.0:
        yield lib.llama_sampler_init_penalties(n_vocab, sampling.repeat_last_n, sampling.repeat_penalty, *_NO_PENALTIES)
    if sampling.temperature <= 0:
        yield lib.llama_sampler_init_greedy()
        return
    if sampling.top_k > 0:
        yield lib.llama_sampler_init_top_k(sampling.top_k)
    if sampling.top_p < 1:
        yield lib.llama_sampler_init_top_p(sampling.top_p, 1)
    if sampling.min_p > 0:
        yield lib.llama_sampler_init_min_p(sampling.min_p, 1)
    yield lib.llama_sampler_init_temp(sampling.temperature)
    yield lib.llama_sampler_init_dist(sampling.seed)


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


def log_probability(logits: np.ndarray, token: int) -> float:
    """Natural logarithm of the token's probability under a softmax of the logits, [n_vocab]."""
    top = float(logits.max())
    return float(logits[token]) - top - float(np.log(np.exp(logits - top).sum()))


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
