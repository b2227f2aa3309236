"""What is computed is what StarCoder2 computes: against transformers, with the sliding window."""

import subprocess
import sys

import numpy as np
import pytest

from localcoder.engine.generate import PAST_WINDOW_SLICE, Generator
from localcoder.engine.llama import Llama, LoadOptions


@pytest.fixture(scope="module")
def gguf(shared, tmp_path_factory):
    """F32 GGUFs of the tiny checkpoints and of nano, made by this project's converter."""
    folder = tmp_path_factory.mktemp("f32")

    def make(name):
        checkpoint = shared / name
        if name != "nano":
            checkpoint = folder / name
            subprocess.run([sys.executable, shared / "make_checkpoint.py", name, checkpoint], check=True)
        out = folder / f"{name}.gguf"
        command = [sys.executable, "-m", "localcoder", "convert", checkpoint, "-t", "F32", "-o", out]
        subprocess.run(command, check=True, capture_output=True)
        return out

    return make


def all_logits(path, ids, batch=1, n_ctx=0):
    """Logits at every position, [len(ids), n_vocab], read `batch` tokens at a time past the window."""
    llama = Llama(LoadOptions(str(path), 2, n_ctx))
    generator = Generator(llama)
    slot, _ = generator.cache.take(ids)
    slot.clear()
    logits = []
    while len(logits) < len(ids):
        size = batch if len(logits) >= llama.info.window else 1
        part = ids[len(logits) : len(logits) + size]
        generator.decode(slot, part, outputs=len(part))
        logits += [llama.logits(i).copy() for i in range(len(part))]
    llama.close()
    return np.array(logits)


def mean_nll(logits, ids, start):
    """Mean nats of token i + 1 at position i, from `start` on."""
    logits, targets = logits[start:-1].astype(np.float64), np.array(ids[start + 1 :])
    top = logits.max(1)
    return (top + np.log(np.exp(logits - top[:, None]).sum(1)) - logits[np.arange(len(targets)), targets]).mean()


@pytest.mark.parametrize("name", ["tiny", "tiny-untied"])
def test_logits_equal_transformers_past_the_window(shared, gguf, name):
    golden = np.load(shared / "golden" / "transformers-logits.npz")
    key = next(k for k in golden if k.endswith("_logits") and ("untied" in k) == ("untied" in name))
    ids = [int(i) for i in golden["ids"]]
    logits = all_logits(gguf(name), ids, n_ctx=64 + 64)
    assert np.abs(logits[golden["positions"]] - golden[key]).max() < 0.02
    assert (logits.argmax(1) == golden[key.replace("_logits", "_argmax")]).mean() >= 0.99


def test_trained_weights_agree_and_the_batch_bounds_the_error(shared, gguf):
    golden = np.load(shared / "golden" / "nano-transformers.npz")
    ids = [int(i) for i in golden["ids"]]
    path, window = gguf("nano"), 256
    expected = golden["nll"][window : len(ids) - 1].mean()
    one_at_a_time = mean_nll(all_logits(path, ids), ids, window)
    in_batches = mean_nll(all_logits(path, ids, PAST_WINDOW_SLICE), ids, window)
    assert abs(one_at_a_time - expected) < 0.002
    assert abs(in_batches - one_at_a_time) < 0.003


def test_a_prompt_of_many_windows_fits_in_the_cells_of_one(demo_model):
    llama = Llama(LoadOptions(str(demo_model), 2))
    generator = Generator(llama)
    assert llama.n_cells < 1100
    ids = llama.tokenize("def f(x):\n    return x\n" * 2000)[:16_000]
    assert len(ids) == 16_000
    slot, _ = generator.cache.take(ids)
    for _ in generator.read(slot, ids, lambda: False):
        pass
    assert len(slot.ids) == 16_000
    assert np.isfinite(llama.logits()).all()
    llama.close()
