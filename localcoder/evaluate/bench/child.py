"""Another program as a child process that ends with this one, however this one ends."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from localcoder.errors import LocalcoderError

_KEEPER = """
import subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def end():
    sys.stdin.read()
    child.kill()
threading.Thread(target=end, daemon=True).start()
sys.exit(child.wait())
"""
"""Stands between: its standard input closes when this program ends, killed or not, and then it ends the other one."""
_LAST_LINES = 20
_LOOK_S = 0.002
_CLOSE_TIMEOUT_S = 5.0


class Child:
    """A program that runs. `pid` is its own; 0 when it ended before anyone could look."""

    def __init__(self, keeper: asyncio.subprocess.Process, name: str) -> None:
        self._keeper = keeper
        self._name = name
        self._stderr: deque[str] = deque(maxlen=_LAST_LINES)
        self._listener = asyncio.create_task(self._listen())
        self.pid = 0

    @property
    def is_running(self) -> bool:
        return self._keeper.returncode is None

    async def output(self) -> bytes:
        """Wait for its end, and return what it wrote. Raises LocalcoderError if it failed."""
        assert self._keeper.stdout is not None
        written = await self._keeper.stdout.read()
        if await self._keeper.wait():
            raise await self.failure()
        return written

    async def failure(self) -> LocalcoderError:
        """What is to be said of its having ended."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._listener), _CLOSE_TIMEOUT_S)
        said = next((line.strip() for line in reversed(self._stderr) if line.strip()), "it said nothing")
        return LocalcoderError(f"{self._name} failed: {said}", "Try it by itself with the same model.")

    async def look_for_it(self) -> None:
        """Wait until the program itself is there."""
        with suppress(psutil.Error):
            keeper = psutil.Process(self._keeper.pid)
            while self.is_running and not self.pid:
                self.pid = next((each.pid for each in keeper.children()), 0)
                await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """End it, if it has not ended."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        try:
            await asyncio.wait_for(self._keeper.wait(), _CLOSE_TIMEOUT_S)
        except asyncio.TimeoutError:
            for pid in filter(None, (self.pid, self._keeper.pid)):
                with suppress(psutil.Error):
                    psutil.Process(pid).kill()
            await self._keeper.wait()
        self._listener.cancel()
        await asyncio.wait({self._listener})

    async def _listen(self) -> None:
        assert self._keeper.stderr is not None
        while chunk := await self._keeper.stderr.read(8192):
            self._stderr.extend(chunk.decode("utf-8", "replace").splitlines())


@asynccontextmanager
async def running(command: Sequence[str], *, quiet: bool = False) -> AsyncIterator[Child]:
    """Start a program; it is ended with the block. `quiet`: nobody wants its standard output."""
    pipe = asyncio.subprocess.PIPE
    keeper = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", _KEEPER, *command,
        stdin=pipe, stdout=asyncio.subprocess.DEVNULL if quiet else pipe, stderr=pipe,
        # Ctrl-C in the terminal is for this program to answer, which then ends the other.
        start_new_session=True,
    )  # fmt: skip
    child = Child(keeper, Path(command[0]).name)
    try:
        await child.look_for_it()
        yield child
    finally:
        await child.close()


def executable(path: Path) -> Path:
    """The path, absolute. Raises LocalcoderError (exit code 2) for what cannot be run."""
    if not path.is_file() or not os.access(path, os.X_OK):
        raise LocalcoderError(f"{path} is no program.", "Give the path of llama.cpp's own.", exit_code=2)
    return path.absolute()
