"""What is computed is what StarCoder2 computes: against transformers, with the sliding window."""

import argparse
import inspect
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from numpy.typing import NDArray

from localcoder.engine.api import Request, Token
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.prefill import PAST_WINDOW_SHARE, Prefill
from localcoder.engine.wire import Load

MakeGguf = Callable[[str], Path]


@pytest.fixture(scope="module")
def gguf(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeGguf:
    """F32 GGUFs of the tiny checkpoints and of nano, made by this project's converter."""
    folder = tmp_path_factory.mktemp("f32")

    def make(name: str) -> Path:
        checkpoint = shared / name
        if name != "nano":
            checkpoint = folder / name
            subprocess.run([sys.executable, shared / "make_checkpoint.py", name, checkpoint], check=True)
        out = folder / f"{name}.gguf"
        command: list[str | Path] = [sys.executable, "-m", "localcoder", "convert", checkpoint, "-t", "F32", "-o", out]
        subprocess.run(command, check=True, capture_output=True)
        return out

    return make


def all_logits(path: Path, ids: Sequence[int], batch: int = 1, n_ctx: int = 0) -> NDArray[np.float32]:
    """Logits at every position, [len(ids), n_vocab], read `batch` tokens at a time past the window."""
    llama = Context(Load(str(path), 2, n_ctx))
    generator = Generator(Prefill(llama))
    slot = generator.prefill.cache.acquire(ids).slot
    slot.clear()
    logits: list[NDArray[np.float32]] = []
    while len(logits) < len(ids):
        size = batch if len(logits) >= llama.info.window else 1
        part = ids[len(logits) : len(logits) + size]
        generator.prefill.decode(slot, part, outputs=len(part))
        logits += [llama.logits(i).copy() for i in range(len(part))]
    llama.close()
    return np.array(logits)


def mean_nll(logits: NDArray[np.float32], ids: Sequence[int], start: int) -> float:
    """Mean nats of token i + 1 at position i, from `start` on."""
    wide, targets = logits[start:-1].astype(np.float64), np.array(ids[start + 1 :])
    top = wide.max(1)
    nats = top + np.log(np.exp(wide - top[:, None]).sum(1)) - wide[np.arange(len(targets)), targets]
    return float(nats.mean())


@pytest.mark.parametrize("name", ["tiny", "tiny-untied"])
def test_logits_equal_transformers_past_the_window(shared: Path, gguf: MakeGguf, name: str) -> None:
    golden = np.load(shared / "golden" / "transformers-logits.npz")
    key = next(k for k in golden if k.endswith("_logits") and ("untied" in k) == ("untied" in name))
    ids = [int(i) for i in golden["ids"]]
    logits = all_logits(gguf(name), ids, n_ctx=64 + 64)
    assert np.abs(logits[golden["positions"]] - golden[key]).max() < 0.02
    assert (logits.argmax(1) == golden[key.replace("_logits", "_argmax")]).mean() >= 0.99


def test_trained_weights_agree_and_the_batch_bounds_the_error(shared: Path, gguf: MakeGguf) -> None:
    golden = np.load(shared / "golden" / "nano-transformers.npz")
    ids = [int(i) for i in golden["ids"]]
    path, window = gguf("nano"), 256
    expected = golden["nll"][window : len(ids) - 1].mean()
    one_at_a_time = mean_nll(all_logits(path, ids), ids, window)
    in_batches = mean_nll(all_logits(path, ids, window // PAST_WINDOW_SHARE), ids, window)
    assert abs(one_at_a_time - expected) < 0.002
    assert abs(in_batches - one_at_a_time) < 0.001


def test_a_prompt_of_many_windows_fits_in_the_cells_of_one(demo_model: Path) -> None:
    llama = Context(Load(str(demo_model), 2))
    generator = Generator(Prefill(llama))
    assert llama.n_cells < 1100
    ids = llama.model.tokenize("def f(x):\n    return x\n" * 2000)[:16_000]
    assert len(ids) == 16_000
    slot = generator.prefill.cache.acquire(ids).slot
    for _ in generator.prefill.read(slot, ids, lambda: False):
        pass
    assert len(slot.ids) == 16_000
    assert np.isfinite(llama.logits()).all()
    llama.close()


@pytest.mark.parametrize(("precision", "edits"), [("F32", 80), ("Q8_0", 150)])
def test_hundreds_of_edits_through_the_cache_equal_a_fresh_context(
    request: pytest.FixtureRequest, demo_model: Path, precision: str, edits: int
) -> None:
    """Typing, deleting and jumping at random: greedy output is that of a context that held nothing.

    With one thread: llama.cpp splits the attention of one token between threads, so their number, which follows the
    machine's load, rounds differently.
    """
    rng = random.Random(0)
    model = demo_model if precision == "Q8_0" else request.getfixturevalue("gguf")("nano")
    cached, fresh = (Generator(Prefill(Context(Load(str(model), 1)))) for _ in range(2))
    ids = Context(Load(str(model), 2)).model.tokenize(inspect.getsource(argparse))
    start, end, same = 0, 100, 0
    for _ in range(edits):
        move = rng.random()
        if move < 0.6:
            end = min(end + rng.randint(1, 4), start + 600)
        elif move < 0.8:
            end = max(end - rng.randint(1, 12), start + 10)
        else:
            start = rng.randrange(len(ids) - 800)
            end = start + rng.randint(10, 400)
        wanted = Request(tuple(ids[start:end]), max_tokens=8)
        for slot in fresh.prefill.cache.slots:
            slot.clear()
        same += output(cached, wanted) == output(fresh, wanted)
    assert same >= 0.99 * edits


def output(generator: Generator, request: Request) -> list[int]:
    """The ids that a request generates."""
    return [event.id for event in generator.generate(request, 0.0, lambda: False) if isinstance(event, Token)]


def test_every_published_token_has_its_exact_bytes(shared: Path, gguf: MakeGguf) -> None:
    path = gguf("tiny")
    llama = Context(Load(str(path), 2))
    tokens = GGUFReader(path).fields["tokenizer.ggml.tokens"].contents()
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    byte_of = {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
    assert len(tokens) == llama.model.n_vocab == 49152
    for i, token in enumerate(tokens):
        assert llama.model.piece(i) == (
            token.encode() if token in llama.model.control else bytes(byte_of[c] for c in token)
        )
    assert max(len(llama.model.piece(i)) for i in range(llama.model.n_vocab)) > 32
    text = "\t\tif x:\n" + " " * 300 + "# ---------------- \u00e9\U0001f600 <fim_middle>\r\n"
    assert b"".join(map(llama.model.piece, llama.model.tokenize(text))).decode() == text
    llama.close()
