"""Servers that are other programs: started for a test, and ended with it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Program:
    """A server that runs. `folder` holds what it writes."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, log: Path, *, ready: str = "/health", wait_s: float = 30
) -> Iterator[Program]:
    """A program that serves on the port, from when it is ready until the block ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + wait_s
            while not _is_ready(f"http://127.0.0.1:{port}{ready}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{command[0]} does not serve:\n{log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.05)
            yield Program(process, port)
        finally:
            process.kill()
            process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def llama_server_binary() -> Path:
    """Skips where none is named."""
    if "LOCALCODER_LLAMA_BIN" not in os.environ:
        pytest.skip("needs LOCALCODER_LLAMA_BIN, a folder with llama-server")
    return Path(os.environ["LOCALCODER_LLAMA_BIN"]) / "llama-server"


@contextlib.contextmanager
def llama_server(model: Path, folder: Path, *more: str, port: int | None = None) -> Iterator[Program]:
    """llama.cpp's own server on one processor; `more` are other arguments."""
    port = port or free_port()
    command = [
        str(llama_server_binary()), "-m", str(model), "-t", "1", "-c", "4096", "-np", "1", "--no-warmup",
        "--host", "127.0.0.1", "--port", str(port), *more,
    ]  # fmt: skip
    with running(command, port, folder / f"llama-server-{port}.log") as program:
        yield program
