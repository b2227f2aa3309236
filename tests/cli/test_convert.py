"""`localcoder convert` as a process: what it prints, how it ends, what it leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from converters.convert import GOES_ON


def localcoder(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localcoder", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def write_big_checkpoint(path: Path) -> None:
    """A checkpoint of one wide layer, large enough to be interrupted: 100 MB of F32."""
    hidden, ffn, vocab = 1024, 20480, 263
    dims = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (hidden, hidden),
        "self_attn.v_proj": (hidden, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.c_fc": (ffn, hidden),
        "mlp.c_proj": (hidden, ffn),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    shapes = {
        "model.embed_tokens.weight": (vocab, hidden),
        "model.norm.weight": (hidden,),
        "model.norm.bias": (hidden,),
    }
    for module, dim in dims.items():
        shapes |= {f"model.layers.0.{module}.weight": dim, f"model.layers.0.{module}.bias": dim[:1]}
    header, offset = {}, 0
    for name, dim in shapes.items():
        size = int(np.prod(dim)) * 4
        header[name] = {"dtype": "F32", "shape": dim, "data_offsets": [offset, offset + size]}
        offset += size
    path.mkdir()
    blob = json.dumps(header).encode()
    values = np.random.default_rng(0).standard_normal(offset // 4).astype("<f4")
    (path / "model.safetensors").write_bytes(len(blob).to_bytes(8, "little") + blob + values.tobytes())
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    special = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>"]
    vocabulary = {t: i for i, t in enumerate([*special, *alphabet, "in"])}
    (path / "tokenizer.json").write_text(
        json.dumps(
            {
                "added_tokens": [{"id": i, "content": t, "special": True} for i, t in enumerate(special)],
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Digits", "individual_digits": True},
                        {"type": "ByteLevel", "add_prefix_space": False},
                    ],
                },
                "model": {"type": "BPE", "vocab": vocabulary, "merges": ["i n"]},
            }
        )
    )
    (path / "config.json").write_text(
        json.dumps(
            {
                "model_type": "starcoder2",
                "hidden_size": hidden,
                "intermediate_size": ffn,
                "num_attention_heads": 8,
                "num_hidden_layers": 1,
                "num_key_value_heads": 8,
                "max_position_embeddings": 1024,
                "rope_theta": 1e4,
                "vocab_size": vocab,
            }
        )
    )


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "big"
    write_big_checkpoint(path)
    return path


def test_it_writes_and_says_what(big: Path, tmp_path: Path) -> None:
    done = localcoder("convert", big, "-t", "q8_0", "-t", "Q4_0", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "big-Q8_0.gguf" in done.stdout
    assert sorted(p.name for p in tmp_path.glob("*.gguf")) == ["big-Q4_0.gguf", "big-Q8_0.gguf"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere", "-t", "Q8_0"], 2),
        (["{big}"], 2),
        (["{big}", "-t", "Q9"], 2),
        (["{big}", "-t", "Q8_0", "-o", "{big}/config.json"], 2),
        (["{big}/config.json", "-t", "Q8_0"], 2),
        (["{big}", "-t", "IQ1_S"], 2),
    ],
)
def test_a_wrong_call_is_two_lines_at_most(arguments: list[str], code: int, big: Path) -> None:
    done = localcoder("convert", *(a.format(big=big) for a in arguments))
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("localcoder: ")
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_interrupted_it_goes_on_when_it_is_called_again(sent: int, code: int, big: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "localcoder", "convert", str(big), "-t", "Q3_K_M", "-o", str(tmp_path)]
    command += ["--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / ".big-Q3_K_M.gguf.journal"
    deadline = time.monotonic() + 20
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 1) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(sent)
    _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in error
    assert error.splitlines()[:1] == ([] if sent == signal.SIGKILL else [GOES_ON])
    assert sorted(p.name for p in tmp_path.iterdir()) == [journal.name, ".big-Q3_K_M.gguf.partial"]
    again = localcoder("convert", big, "-t", "Q3_K_M", "-o", tmp_path)
    assert again.returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["big-Q3_K_M.gguf", "big-Q3_K_M.gguf.sha256"]
