"""A checkpoint is converted straight from a hub: a local server that speaks its API, drops connections and lies."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.convert import GOES_ON

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "someone/star"


class Handler(BaseHTTPRequestHandler):
    """The model endpoint and its files, with ranges. The server's `drops`, `lies` and `garbles` say what goes wrong."""

    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if re.fullmatch(rf"/api/models/{REPOSITORY}(/revision/[^/]+)?", path):
            if path.endswith("/nowhere"):
                return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return self.answer(200, json.dumps(self.server.listing()).encode(), {"Content-Type": "application/json"})
        if path.startswith(prefix := f"/{REPOSITORY}/resolve/{COMMIT}/"):
            return self.file(path.removeprefix(prefix))
        return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def file(self, name: str) -> None:
        data = self.server.files[name]
        start, end = 0, len(data)
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(found[1]), int(found[2]) + 1 if found[2] else end
        part = data[start:end]
        if name in self.server.garbles and len(part) > 100_000:
            part = part[:-1] + bytes([part[-1] ^ 1])
        self.server.asked.append((name, start, end))
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        if len(part) > 100_000 and self.server.silent:
            self.wfile.write(part[:1000])
            self.wfile.flush()
            while self.server.silent:
                time.sleep(0.05)
            self.close_connection = True
            return
        if len(part) > 100_000 and self.server.drops > 0:
            self.server.drops -= 1
            self.wfile.write(part[: len(part) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(part)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class HubServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.drops = 0
        self.silent = False
        self.lies: set[str] = set()
        self.garbles: set[str] = set()
        self.asked: list[tuple[str, int, int]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def listing(self) -> dict[str, Any]:
        siblings = []
        for name, data in self.files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": "0" * 40}
            if name.endswith(".safetensors"):
                digest = "0" * 64 if name in self.lies else hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}


def write_checkpoint(path: Path) -> None:
    """A StarCoder2 of two layers in three shards, with a vocabulary of bytes."""
    hidden, ffn = 256, 512
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    special = [
        "<|endoftext|>",
        "<fim_prefix>",
        "<fim_middle>",
        "<fim_suffix>",
        "<fim_pad>",
        "<repo_name>",
        "<file_sep>",
    ]
    tokens = {token: i for i, token in enumerate([*special, *alphabet, "in"])}
    modules = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (128, hidden),
        "self_attn.v_proj": (128, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.c_fc": (ffn, hidden),
        "mlp.c_proj": (hidden, ffn),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    parts: list[dict[str, tuple[int, ...]]] = [{"model.embed_tokens.weight": (len(tokens), hidden)}]
    for layer in range(2):
        parts.append({})
        for module, dims in modules.items():
            parts[-1][f"model.layers.{layer}.{module}.weight"] = dims
            parts[-1][f"model.layers.{layer}.{module}.bias"] = dims[:1]
    parts[-1] |= {"model.norm.weight": (hidden,), "model.norm.bias": (hidden,)}
    path.mkdir()
    rng, weight_map = np.random.default_rng(0), {}
    for number, part in enumerate(parts, 1):
        name, header, blobs, offset = f"model-{number:05d}-of-{len(parts):05d}.safetensors", {}, [], 0
        for tensor, dims in part.items():
            blobs.append((0.05 * rng.standard_normal(dims)).astype("<f4").tobytes())
            header[tensor] = {"dtype": "F32", "shape": dims, "data_offsets": [offset, offset + len(blobs[-1])]}
            offset += len(blobs[-1])
            weight_map[tensor] = name
        blob = json.dumps(header).encode()
        (path / name).write_bytes(len(blob).to_bytes(8, "little") + blob + b"".join(blobs))
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
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
                "model": {"type": "BPE", "vocab": tokens, "merges": ["i n"]},
            }
        )
    )
    (path / "config.json").write_text(
        json.dumps(
            {
                "model_type": "starcoder2",
                "hidden_size": hidden,
                "intermediate_size": ffn,
                "num_attention_heads": 4,
                "num_hidden_layers": 2,
                "num_key_value_heads": 2,
                "max_position_embeddings": 1024,
                "rope_theta": 1e4,
                "vocab_size": len(tokens),
                "sliding_window": 128,
            }
        )
    )
    (path / "README.md").write_text("---\nlicense: bigcode-openrail-m\n---\n# star\n")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "star"
    write_checkpoint(path)
    return path


@pytest.fixture
def hub(checkpoint: Path) -> Iterator[HubServer]:
    server = HubServer(checkpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def convert(hub: HubServer, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "localcoder", "convert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def shards_asked(hub: HubServer) -> list[tuple[str, int, int]]:
    """Requests for data; headers are asked for in small ranges."""
    return [(name, start, end) for name, start, end in hub.asked if "safetensors" in name and end - start > 50_000]


def test_the_same_weights_as_from_the_folder(hub: HubServer, checkpoint: Path, tmp_path: Path) -> None:
    done = convert(hub, REPOSITORY, "-t", "Q4_K_M", "-t", "Q8_0", "-o", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    files = ["star-Q4_K_M.gguf", "star-Q4_K_M.gguf.sha256", "star-Q8_0.gguf", "star-Q8_0.gguf.sha256"]
    assert names(tmp_path / "a") == files
    assert len(shards_asked(hub)) == 3
    assert convert(hub, checkpoint, "-t", "Q8_0", "-o", tmp_path / "b").returncode == 0
    fetched, local = (tmp_path / f / "star-Q8_0.gguf" for f in ("a", "b"))
    size = (checkpoint / "model-00002-of-00003.safetensors").stat().st_size // 4
    assert fetched.read_bytes()[-size:] == local.read_bytes()[-size:]
    assert f"{REPOSITORY}/tree/{COMMIT}".encode() in fetched.read_bytes()
    assert b"bigcode-openrail-m" in fetched.read_bytes()


def test_dropped_connections_are_taken_up_again(hub: HubServer, tmp_path: Path) -> None:
    hub.drops = 2
    done = convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert hub.drops == 0
    assert len(shards_asked(hub)) == 3 + 2


def test_a_wrong_checksum_is_tried_once_more_and_refused(hub: HubServer, tmp_path: Path) -> None:
    bad = "model-00002-of-00003.safetensors"
    hub.lies = {bad}
    done = convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path)
    assert done.returncode == 1
    assert "is not what the hub says" in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert len([name for name, _, _ in shards_asked(hub) if name == bad]) == 2
    assert names(tmp_path) == [".star-Q8_0.gguf.journal", ".star-Q8_0.gguf.partial", ".star.fetched"]
    assert bad not in names(tmp_path / ".star.fetched")
    hub.lies = set()
    assert convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path).returncode == 0
    assert names(tmp_path) == ["star-Q8_0.gguf", "star-Q8_0.gguf.sha256"]


def test_a_shard_whose_tensors_are_done_is_not_fetched_again(hub: HubServer, tmp_path: Path) -> None:
    assert convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path / "whole").returncode == 0
    second = "model-00002-of-00003.safetensors"
    hub.garbles, hub.asked = {second}, []
    done = convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "is not what the hub says" in done.stderr and GOES_ON in done.stderr
    hub.garbles, hub.asked = set(), []
    assert convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path / "out").returncode == 0
    assert [name for name, _, _ in shards_asked(hub)] == [second, "model-00003-of-00003.safetensors"]
    assert names(tmp_path / "out") == ["star-Q8_0.gguf", "star-Q8_0.gguf.sha256"]
    assert (tmp_path / "out/star-Q8_0.gguf").read_bytes() == (tmp_path / "whole/star-Q8_0.gguf").read_bytes()


def test_an_interrupted_download_is_gone_on_with(hub: HubServer, checkpoint: Path, tmp_path: Path) -> None:
    first = "model-00001-of-00003.safetensors"
    (tmp_path / ".star.fetched").mkdir()
    (tmp_path / ".star.fetched" / f"{first}.part").write_bytes((checkpoint / first).read_bytes()[:100_000])
    assert convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path).returncode == 0
    assert [start for name, start, _ in shards_asked(hub) if name == first] == [100_000]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_on_a_silent_connection(hub: HubServer, tmp_path: Path) -> None:
    hub.silent = True
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "localcoder", "convert", REPOSITORY, "-t", "Q8_0", "-o", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob(".star.fetched/*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=8)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert names(tmp_path) == [".star.fetched"]
    hub.silent = False
    assert convert(hub, REPOSITORY, "-t", "Q8_0", "-o", tmp_path).returncode == 0


def test_keep(hub: HubServer, checkpoint: Path, tmp_path: Path) -> None:
    assert convert(hub, REPOSITORY, "-t", "auto", "--keep", "-o", tmp_path).returncode == 0
    assert names(tmp_path) == ["star", "star-F32.gguf", "star-F32.gguf.sha256"]
    assert names(tmp_path / "star") == names(checkpoint)
    assert len(shards_asked(hub)) == 3
    assert convert(hub, tmp_path / "star", "-t", "F32", "-o", tmp_path / "again").returncode == 0


def test_a_dry_run_reads_headers_only(hub: HubServer, tmp_path: Path) -> None:
    done = convert(hub, REPOSITORY, "-t", "Q4_K_M", "--dry-run", "--json", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"][0]["type"] == "Q4_K_M"
    assert shards_asked(hub) == []
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "arguments", [["someone/nothing", "-t", "Q8_0"], [REPOSITORY, "-t", "Q8_0", "--revision", "nowhere"]]
)
def test_what_is_not_there(arguments: list[str], hub: HubServer, tmp_path: Path) -> None:
    done = convert(hub, *arguments, "-o", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("localcoder: ")
    assert len(done.stderr.splitlines()) <= 2
    assert names(tmp_path) == []
