"""The child process from its parent's side: started, spoken to, listened to, ended, and the cause when it dies."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import localcoder
from localcoder.engine.wire import Answer, Cancel, Done, Failed, Ping, Question, decode_answer, encode
from localcoder.errors import LocalcoderError
from localcoder.hardware import REBUILD, worker_environment

_LINE_LIMIT = 1 << 26
"""Bytes of the longest line of the protocol; the ids of a 16k prompt take 100 KB."""
_STDERR_LINES = 40
"""Chosen: what llama.cpp says of a failure takes fewer."""
_CLOSE_TIMEOUT_S = 2.0
"""Chosen: what a person waits for a program to end; a batch that runs ends in 150 ms."""
HANG_S = 15.0
"""Seconds of silence after which a worker is asked whether it lives, and has to answer in."""

# `-c` puts the working directory first on sys.path, where a user's own random.py would be imported for ours.
_BOOT = "import sys; sys.path[0] = sys.argv[1]; from localcoder.engine.worker import main; main()"

_Expected = TypeVar("_Expected")


class WorkerProcess:
    """One child process. Every message it sends goes to the queue of the request whose id it carries."""

    def __init__(self, process: asyncio.subprocess.Process, hang_s: float) -> None:
        self._process = process
        self._hang_s = hang_s
        self._hung = False
        self._misunderstood = ""
        self._heard = asyncio.get_running_loop().time()
        self._watcher = asyncio.create_task(self._watch())
        self._ids = itertools.count(1)
        self._queues: dict[int, asyncio.Queue[Answer]] = {}
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._stderr_task = asyncio.create_task(self._keep_stderr())
        self._reader = asyncio.create_task(self._read())
        self._closing = False
        self.alive = True

    @classmethod
    async def spawn(cls, hang_s: float) -> WorkerProcess:
        root = str(Path(localcoder.__file__).parent.parent)
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _BOOT, root,
                stdin=pipe, stdout=pipe, stderr=pipe, limit=_LINE_LIMIT,
                env={**os.environ, **worker_environment()},
                # Ctrl-C in the terminal is for the face to answer, which then ends the worker.
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LocalcoderError(
                f"The worker process could not be started: {error.strerror}.", "Close other programs and try again."
            ) from None
        return cls(process, hang_s)

    def start(self, question: Question) -> tuple[int, asyncio.Queue[Answer]]:
        """Send a question; its answers arrive in the queue until `forget`."""
        job = next(self._ids)
        events: asyncio.Queue[Answer] = asyncio.Queue()
        self._queues[job] = events
        if self.alive:
            self._write(job, question)
        else:
            events.put_nowait(self._death_notice())
        return job, events

    async def ask(self, question: Question, expected: type[_Expected]) -> _Expected:
        """Send a question that has one answer. Raises LocalcoderError for a failure."""
        job, events = self.start(question)
        try:
            answer = checked(await events.get())
        finally:
            self.forget(job)
        assert isinstance(answer, expected), answer
        return answer

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._queues)

    def cancel(self, job: int) -> None:
        if self.alive:
            self._write(job, Cancel("this"))

    def cancel_all(self) -> None:
        if self.alive:
            self._write(0, Cancel("all"))

    def forget(self, job: int) -> None:
        self._queues.pop(job, None)

    async def close(self) -> None:
        """End the child: it leaves when its standard input closes, or is killed."""
        self._closing = True
        self.alive = False
        self._watcher.cancel()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _CLOSE_TIMEOUT_S)
        except asyncio.TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await asyncio.gather(self._reader, self._stderr_task)

    def _write(self, number: int, question: Question) -> None:
        assert self._process.stdin is not None
        # A dead child is noticed by the reader, which tells every request.
        with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
            self._process.stdin.write(encode(number, question))

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            # The last line of a child that was killed may be cut short.
            while (line := await self._process.stdout.readline()).endswith(b"\n"):
                number, answer = decode_answer(line)
                self._heard = asyncio.get_running_loop().time()
                if queue := self._queues.get(number):
                    queue.put_nowait(answer)
        # A line over the limit is a ValueError of the stream's.
        except ValueError as error:
            self._misunderstood = str(error)
            # A child that cannot be understood is useless.
            with suppress(ProcessLookupError):
                self._process.kill()
        self.alive = False
        self._watcher.cancel()
        await self._process.wait()
        await self._stderr_task
        notice = self._death_notice()
        for queue in self._queues.values():
            queue.put_nowait(notice)

    async def _watch(self) -> None:
        """End a child that does not even say that it lives while something is asked of it."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._hang_s)
            if not self._queues:
                continue
            silent_s = loop.time() - self._heard
            if silent_s >= self._hang_s and not await self._answers():
                self._hung = True
                with suppress(ProcessLookupError):
                    self._process.kill()
                return

    async def _answers(self) -> bool:
        try:
            await asyncio.wait_for(self.ask(Ping(), Done), self._hang_s)
        except asyncio.TimeoutError:
            return False
        except LocalcoderError:
            return True
        return True

    async def _keep_stderr(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(8192):
            self._stderr.extend(chunk.decode("utf-8", "replace").splitlines())

    def _death_notice(self) -> Failed:
        if self._closing:
            return Failed("The engine was closed.", "", 1)
        if self._hung:
            return Failed("The worker hung and was ended.", "The next request starts a new one.", 1)
        if self._misunderstood:
            return Failed(
                f"The worker said what cannot be understood: {self._misunderstood}.",
                "If localcoder was upgraded while it ran, start it again; else report it.",
                1,
            )
        what, todo = cause_of_death(self._process.returncode, list(self._stderr))
        return Failed(what, todo, 1)


def checked(answer: Answer) -> Answer:
    """The answer. Raises LocalcoderError for one that says so."""
    if isinstance(answer, Failed):
        raise LocalcoderError(answer.what, answer.todo, exit_code=answer.exit_code)
    return answer


def cause_of_death(returncode: int | None, stderr: Sequence[str]) -> tuple[str, str]:
    """What happened to a worker, in one line, and what to do, from its exit status and last words."""
    if assertion := next((line.strip() for line in stderr if "GGML_ASSERT" in line), None):
        return f"llama.cpp gave up: {assertion}.", "The next request starts a new worker; if it recurs, report it."
    if returncode is not None and returncode < 0:
        name = signal.Signals(-returncode).name
        if name == "SIGILL":
            return (
                "This processor lacks an instruction that llama.cpp was built with (SIGILL).",
                f"Rebuild it here: {REBUILD}",
            )
        if name == "SIGKILL":
            return (
                "The worker was killed (SIGKILL), most likely because memory ran out.",
                "Close other programs or choose a smaller model; the next request starts a new worker.",
            )
        return f"The worker crashed ({name}).", "The next request starts a new worker."
    last = next((line.strip() for line in reversed(stderr) if line.strip()), "it said nothing")
    return f"The worker ended ({returncode}): {last}", "The next request starts a new worker."
