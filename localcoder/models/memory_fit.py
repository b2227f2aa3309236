"""Does a model fit this machine, and how does it run there: weights, KV cache and buffers against free memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from localcoder.errors import LocalcoderError
from localcoder.hardware import Gpu, default_threads, gpus
from localcoder.models.catalog import ALL_ENTRIES, DEFAULT_TYPE, Entry, Size
from localcoder.models.references import LocalModel

Verdict = Literal["fits", "tight", "does not fit"]

ALL_LAYERS = -1
_WINDOW = 4096
_TRAINED_CONTEXT = 16_384
_EXTRA_CELLS = 640
"""What the engine keeps beside the window: a batch, and tokens that left the window and may be needed again."""
_CELLS_STEP = 256
_BATCH = 128
_PROCESS_BYTES = 53_000_000
"""The worker without a model: Python, numpy, llama.cpp's libraries; measured by tests/benchmarks/fit.py."""
_TOKEN_BYTES = 200
"""What llama.cpp holds of a token of the vocabulary: its text, and where to find it; measured by the same."""
_BUFFERS_BYTES = 110_000_000
"""Process and compute buffers where only a file's size is known: about this for all published sizes."""
_KV_PER_WEIGHT_BYTE = 0.1
"""Chosen: a little above the published models, whose caches are 0.04 to 0.08 of their weights at Q4_K_M."""
_GPU_RESERVE_BYTES = 400_000_000
"""What a GPU's driver and llama.cpp's compute buffers take there."""
_COMFORTABLE = 0.8
"""Of the free memory. Chosen: the rest is for the pages of files that make everything else quick."""
_PARKED_CACHES = 3
"""KV caches that copies of other texts may take, where there is memory. Chosen: six files of a full window."""
_PARKED_SHARE = 0.5
"""Of the memory that is left comfortably free, the part for them. Chosen: the editor and the browser want some too."""
_CGROUP = Path("/sys/fs/cgroup")
_MANY_CORES = 8
"""From here on a 7B reads a prompt on the CPU as fast as a 3B does on half as many."""


@dataclass(frozen=True)
class Needs:
    """Memory that a loaded model takes, and what of it one layer can take elsewhere."""

    weights_bytes: int
    kv_bytes: int
    buffers_bytes: int
    layers: int
    context_tokens: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.buffers_bytes

    @property
    def layer_bytes(self) -> int:
        """A layer's weights and its part of the KV cache; the output counts as one more layer."""
        return (self.weights_bytes + self.kv_bytes) // (self.layers + 1)


@dataclass(frozen=True)
class Fit:
    """`needs_bytes` of main memory while it runs, of `free_bytes`; `reason` is a sentence for people.

    `gpu_layers` is -1 for all of them. `context_tokens` are the cells of the KV cache: longer prompts slide through.
    `parked_bytes` may be taken on top, for the texts that are not in the KV cache just now.
    """

    verdict: Verdict
    needs_bytes: int
    free_bytes: int
    reason: str
    context_tokens: int = 0
    threads: int = 0
    gpu_layers: int = 0
    parked_bytes: int = 0


@dataclass(frozen=True)
class Advice:
    """The model of the catalogue that suits this machine best, None when none fits, and why."""

    entry: Entry | None
    reason: str


def fit(size_bytes: int, size: Size | None, free_bytes: int | None = None, devices: Sequence[Gpu] | None = None) -> Fit:
    """Whether a GGUF file of that many bytes can run here.

    `size` None: a model of none of the published sizes, whose cache is guessed from its weights.
    """
    cells = _cells(_TRAINED_CONTEXT, _WINDOW)
    cache = size.kv_bytes_per_token * cells if size else min(int(size_bytes * _KV_PER_WEIGHT_BYTE), 200_000_000)
    needs = Needs(size_bytes, cache, _BUFFERS_BYTES, size.layers if size else 32, cells)
    return _judge(needs, free_bytes, devices)


def fit_file(model: LocalModel, free_bytes: int | None = None, devices: Sequence[Gpu] | None = None) -> Fit:
    """Whether this file can run here, by its header; a file that has no readable one is judged by its size."""
    return _judge(needs_of(model.path), free_bytes, devices)


def needs_of(path: Path) -> Needs:
    """The memory that a GGUF file takes when it is loaded, from its header. Raises LocalcoderError."""
    from converters.gguf_file import read_gguf
    from localcoder.models.converter_errors import as_user_error

    try:
        with as_user_error():
            file = read_gguf(path)
    except LocalcoderError as error:
        if not path.is_file():
            raise LocalcoderError(error.what, error.todo, exit_code=2) from None
        size = path.stat().st_size
        return Needs(size, min(int(size * _KV_PER_WEIGHT_BYTE), 200_000_000), _BUFFERS_BYTES, 32, 0)
    arch = file.get("general.architecture", "starcoder2")

    def count(key: str, default: int) -> int:
        value = file.get(f"{arch}.{key}", default)
        return value if isinstance(value, int) and value > 0 else default

    layers, width, heads = count("block_count", 32), count("embedding_length", 4096), count("attention.head_count", 32)
    head = count("attention.key_length", width // heads)
    kv_per_token = layers * count("attention.head_count_kv", heads) * head * 2 * 2
    trained = count("context_length", _TRAINED_CONTEXT)
    cells = _cells(trained, count("attention.sliding_window", _WINDOW))
    tokens = file.keys.get("tokenizer.ggml.tokens")
    vocabulary = len(tokens.value) if tokens is not None and isinstance(tokens.value, list) else 49_152
    # A batch's activations in the widest part of a layer, and the logits of those positions that may be asked for.
    compute = _BATCH * 4 * (2 * count("feed_forward_length", 4 * width) + 2 * width) + _BATCH // 2 * 4 * vocabulary
    return Needs(
        weights_bytes=sum(tensor.size_bytes for tensor in file.tensors),
        kv_bytes=kv_per_token * cells,
        buffers_bytes=_PROCESS_BYTES + _TOKEN_BYTES * vocabulary + compute,
        layers=layers,
        context_tokens=cells,
    )


def advise(free_bytes: int | None = None, devices: Sequence[Gpu] | None = None) -> Advice:
    """Which model of the catalogue to get for this machine."""
    free = available_bytes() if free_bytes is None else free_bytes
    devices = gpus() if devices is None else devices
    defaults = [entry for entry in ALL_ENTRIES if entry.type_name == DEFAULT_TYPE and ":15b-instruct" not in entry.name]
    fits = {entry: fit(entry.size_bytes, entry.size, free, devices) for entry in defaults}
    whole = [entry for entry, found in fits.items() if found.gpu_layers == ALL_LAYERS]
    if whole:
        best = max(whole, key=lambda entry: entry.size.parameters)
        return Advice(best, f"the largest whose layers all go to the GPU ({devices[0].name})")
    fitting = [entry for entry, found in fits.items() if found.verdict == "fits"]
    threads = default_threads()
    quick = [entry for entry in fitting if entry.size.parameters < (8e9 if threads >= _MANY_CORES else 4e9)]
    if quick:
        best = max(quick, key=lambda entry: entry.size.parameters)
        cores = f"{threads} core{'s' if threads != 1 else ''}"
        return Advice(best, f"on the CPU ({cores}) reading the prompt is what one waits for, and this size reads fast")
    smaller = [
        entry for entry in ALL_ENTRIES if fit(entry.size_bytes, entry.size, free, devices).verdict != "does not fit"
    ]
    if smaller:
        return Advice(max(smaller, key=lambda entry: entry.size_bytes), "the largest that fits at all")
    return Advice(None, f"{gigabytes(free)} of memory are free, too little for StarCoder2 3B in its smallest type")


def does_not_fit(name: str, found: Fit, devices: Sequence[Gpu] | None = None) -> LocalcoderError:
    """The refusal to load it, and what would fit."""
    better = advise(found.free_bytes, devices).entry
    what = f"{better.name} would fit (localcoder models recommend)" if better else "Close other programs"
    return LocalcoderError(
        f"{name} needs {gigabytes(found.needs_bytes)} of memory, and {gigabytes(found.free_bytes)} are free.",
        f"{what}; --force loads it all the same.",
    )


def available_bytes() -> int:
    """Memory that a new process can have: what the system has free, or the control group's limit if that is less."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        # Pages of files that can be dropped at any time count as used there.
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        used -= int(statistics.get("inactive_file", 0)) + int(statistics.get("active_file", 0))
    except (OSError, ValueError):
        return free
    return min(free, max(int(limit) - used, 0)) if limit.isdecimal() else free


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def _cells(trained: int, window: int) -> int:
    """Cells of the KV cache that the engine asks for, rounded up as llama.cpp does."""
    return -(-(min(trained, window) + _EXTRA_CELLS) // _CELLS_STEP) * _CELLS_STEP


def _judge(needs: Needs, free_bytes: int | None, devices: Sequence[Gpu] | None) -> Fit:
    free = available_bytes() if free_bytes is None else free_bytes
    devices = gpus() if devices is None else devices
    room = sum(max(0, device.free_bytes - _GPU_RESERVE_BYTES) for device in devices)
    moved = min(needs.layers + 1, room // max(needs.layer_bytes, 1))
    is_shared = any(device.is_shared for device in devices)
    wanted = needs.total_bytes - (0 if is_shared else moved * needs.layer_bytes)
    share = f"needs {gigabytes(wanted)} of {gigabytes(free)} free"
    if moved:
        what = "all layers" if moved > needs.layers else f"{moved} of {needs.layers} layers"
        share += f", {what} on {devices[0].name}"
    verdict: Verdict = "fits"
    if wanted > free:
        verdict, share = "does not fit", f"{share}; take a smaller size or type"
    elif wanted > free * _COMFORTABLE:
        verdict, share = "tight", f"{share}; close other programs"
    layers = ALL_LAYERS if moved > needs.layers else moved
    spare = max(0, int((free * _COMFORTABLE - wanted) * _PARKED_SHARE))
    parked = min(spare, _PARKED_CACHES * needs.kv_bytes)
    return Fit(verdict, wanted, free, share, needs.context_tokens, default_threads(), layers, parked)
