"""Parent side of the worker: starts it, talks to it, cancels, and names the cause when it dies."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import localcoder
from localcoder import paths
from localcoder.engine.api import (
    Ended,
    Event,
    Finished,
    Lora,
    MatrixInputs,
    ModelInfo,
    Progress,
    ReadEstimate,
    Request,
    SpecialIds,
    Stats,
    Token,
)
from localcoder.errors import LocalcoderError
from localcoder.hardware import REBUILD, default_threads, gpu_backends, gpus, worker_environment
from localcoder.power import slept_s

_LINE_LIMIT = 1 << 26
"""Bytes of the longest line of the protocol; the ids of a 16k prompt take 100 KB."""
_STDERR_LINES = 40
_CLOSE_TIMEOUT_S = 2.0
_SAVE_TIMEOUT_S = 5.0
_NAP_S = 2.0
HANG_S = 15.0
"""Seconds of silence after which a worker is asked whether it lives, and has to answer in."""
SNAPSHOTS_LIMIT_BYTES = 1 << 30

# `-c` puts the working directory first on sys.path, where a user's own random.py would be imported for ours.
_BOOT = "import sys; sys.path[0] = sys.argv[1]; from localcoder.engine.worker import main; main()"


class LocalEngine:
    """llama.cpp in a child process, started with the first request. The protocol of `api.Engine`.

    With a `snapshots_dir`, what was read is kept there when the worker ends, and read back instead of read anew.
    With `power_saving` it computes with fewer threads on battery or when the processor is hot.
    After `idle_s` seconds without a request the worker ends and its memory is free; the next request starts another.
    """

    def __init__(
        self,
        model: Path,
        *,
        n_threads: int | None = None,
        n_ctx: int = 0,
        n_gpu_layers: int = -1,
        loras: Sequence[Lora] = (),
        snapshots_dir: Path | None = None,
        snapshots_limit_bytes: int = SNAPSHOTS_LIMIT_BYTES,
        idle_s: float | None = None,
        power_saving: bool = False,
        hang_s: float = HANG_S,
    ) -> None:
        self.model = model
        self._loras = tuple(loras)
        self._snapshots_dir = snapshots_dir
        self._snapshots_limit_bytes = snapshots_limit_bytes
        self._idle_s = idle_s
        self._power_saving = power_saving
        self._slept_s = slept_s()
        self._hang_s = hang_s
        self._idle_timer: asyncio.TimerHandle | None = None
        self._unloading: asyncio.Task[None] | None = None
        self._jobs: dict[int, int] = {}
        self._n_threads = n_threads
        self._n_ctx = n_ctx
        self._n_gpu_layers = n_gpu_layers
        self._worker: _Worker | None = None
        self._info: ModelInfo | None = None
        self._start = asyncio.Lock()

    async def info(self) -> ModelInfo:
        # To tell what is known of a model that was unloaded, it need not be loaded again.
        if self._info is None:
            await self._ready()
        assert self._info is not None
        return self._info

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        worker = await self._ready()
        return [tuple(ids) for ids in await worker.ask({"op": "tokenize", "texts": list(texts)})]

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        worker = await self._ready()
        return [bytes.fromhex(piece) for piece in await worker.ask({"op": "pieces", "ids": list(ids)})]

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        worker = await self._ready()
        reusable, exact, tokens_per_s = await worker.ask({"op": "estimate", "ids": list(ids)})
        return ReadEstimate(len(ids), reusable, tokens_per_s, approximate=max(0, reusable - exact))

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        if not request.ids:
            raise ValueError("a request needs at least one id")
        worker = await self._ready()
        fields = asdict(request)
        del fields["request_id"]
        fields["forced"] = request.forced.hex()
        job, events = worker.start({"op": "generate", "request": fields})
        self._jobs[request.request_id] = job
        finished = False
        try:
            while not finished:
                message = await events.get()
                event = _event(message)
                finished = isinstance(event, Finished)
                yield event
        finally:
            if not finished:
                worker.cancel(job)
            worker.forget(job)
            self._jobs.pop(request.request_id, None)
            self._used()

    async def warm(self, ids: Sequence[int]) -> None:
        worker = await self._ready()
        await worker.ask({"op": "warm", "ids": list(ids)})
        self._used()

    async def calibrate(self, chunks: Sequence[Sequence[int]]) -> AsyncGenerator[int | MatrixInputs, None]:
        """Run sequences of ids, each from position 0, and watch what the model's matrices are multiplied with.

        Yields the tokens done so far after each, and at the end what went into each matrix. The model has to be in main
        memory (`n_gpu_layers` 0). Closing the iterator cancels it. Raises LocalcoderError.
        """
        worker = await self._ready()
        job, events = worker.start({"op": "calibrate", "chunks": [list(chunk) for chunk in chunks]})
        finished = False
        try:
            while not finished:
                message = await events.get()
                _raise_error(message)
                finished = "ok" in message
                if inputs := message.get("inputs"):
                    name, rows, sums = inputs
                    yield MatrixInputs(name, rows, bytes.fromhex(sums))
                elif not finished:
                    yield message["done"]
        finally:
            if not finished:
                worker.cancel(job)
            worker.forget(job)
            self._used()

    async def cancel(self, request: Request | None = None) -> None:
        if self._worker is None:
            return
        if request is None:
            self._worker.cancel_all()
        elif job := self._jobs.get(request.request_id):
            self._worker.cancel(job)

    async def close(self) -> None:
        async with self._start:
            await self._end_worker()

    async def _end_worker(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        worker, self._worker = self._worker, None
        if worker is not None:
            if self._snapshots_dir is not None and worker.alive:
                await self._save(worker)
            await worker.close()

    async def _save(self, worker: _Worker) -> None:
        worker.cancel_all()
        with suppress(LocalcoderError, asyncio.TimeoutError):
            await asyncio.wait_for(worker.ask({"op": "save"}), _SAVE_TIMEOUT_S)

    async def _ready(self) -> _Worker:
        """A live worker with the model loaded."""
        async with self._start:
            if self._worker is not None and self._worker.alive and not self._gpu_may_be_lost():
                self._used()
                return self._worker
            if self._worker is not None:
                await self._worker.close()
                self._worker = None
            worker = await _Worker.spawn(self._hang_s)
            try:
                fields = await worker.ask({"op": "load", "options": self._load_options()})
            except BaseException:
                await worker.close()
                raise
            fields["special"] = SpecialIds(**fields["special"])
            fields["end_ids"] = tuple(fields["end_ids"])
            fields["redaction_ids"] = tuple(fields["redaction_ids"])
            self._info = ModelInfo(**fields)
            self._worker = worker
            self._used()
            return worker

    def _gpu_may_be_lost(self) -> bool:
        """After the machine slept a driver may have dropped what lay on the GPU, or the GPU be gone."""
        slept, self._slept_s = slept_s() - self._slept_s, slept_s()
        if slept < _NAP_S or not self._n_gpu_layers or not gpu_backends() or self._jobs:
            return False
        gpus.cache_clear()
        if not gpus():
            self._n_gpu_layers = 0
        return True

    def _used(self) -> None:
        """Count idle time from now."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._idle_s is not None:
            self._idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._idle_time_is_over)

    def _idle_time_is_over(self) -> None:
        self._unloading = asyncio.create_task(self._unload())

    async def _unload(self) -> None:
        async with self._start:
            if self._worker is not None and self._worker.is_busy:
                self._used()
            else:
                await self._end_worker()

    def _load_options(self) -> dict[str, Any]:
        demo = paths.bundled_model()
        return {
            "path": str(self.model),
            "n_threads": self._n_threads or default_threads(),
            "n_ctx": self._n_ctx,
            "n_gpu_layers": self._n_gpu_layers,
            "power_saving": self._power_saving,
            "snapshots_dir": str(self._snapshots_dir) if self._snapshots_dir else None,
            "snapshots_limit_bytes": self._snapshots_limit_bytes,
            "loras": [asdict(lora) for lora in self._loras],
            "is_demo": demo.exists() and self.model.exists() and self.model.samefile(demo),
        }


class _Worker:
    """One child process. Every message it sends goes to the queue of the request whose id it carries."""

    def __init__(self, process: asyncio.subprocess.Process, hang_s: float) -> None:
        self._process = process
        self._hang_s = hang_s
        self._hung = False
        self._heard = asyncio.get_running_loop().time()
        self._watcher = asyncio.create_task(self._watch())
        self._ids = itertools.count(1)
        self._last_job = 0
        self._queues: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._stderr_task = asyncio.create_task(self._keep_stderr())
        self._reader = asyncio.create_task(self._read())
        self._closing = False
        self.alive = True

    @classmethod
    async def spawn(cls, hang_s: float) -> _Worker:
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

    def start(self, message: dict[str, Any]) -> tuple[int, asyncio.Queue[dict[str, Any]]]:
        """Send a request; its answers arrive in the queue until `forget`."""
        job = next(self._ids)
        self._last_job = job
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._queues[job] = events
        if self.alive:
            self._write({**message, "id": job})
        else:
            events.put_nowait(self._death_notice())
        return job, events

    async def ask(self, message: dict[str, Any]) -> Any:
        """Send a request that has one answer."""
        job, events = self.start(message)
        try:
            answer = await events.get()
        finally:
            self.forget(job)
        _raise_error(answer)
        return answer["ok"]

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._queues)

    def cancel(self, job: int) -> None:
        """End this request and those before it."""
        if self.alive:
            self._write({"op": "cancel", "id": job})

    def cancel_all(self) -> None:
        self.cancel(self._last_job)

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

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        # A dead child is noticed by the reader, which tells every request.
        with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
            self._process.stdin.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                message = json.loads(line)
                self._heard = asyncio.get_running_loop().time()
                if queue := self._queues.get(message["id"]):
                    queue.put_nowait(message)
        except (ValueError, KeyError):
            # Not a line of the protocol: a child that cannot be understood is useless.
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
            await asyncio.wait_for(self.ask({"op": "ping"}), self._hang_s)
        except asyncio.TimeoutError:
            return False
        except LocalcoderError:
            return True
        return True

    async def _keep_stderr(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(8192):
            self._stderr.extend(chunk.decode("utf-8", "replace").splitlines())

    def _death_notice(self) -> dict[str, Any]:
        if self._closing:
            return {"error": ["The engine was closed.", "", 1]}
        if self._hung:
            return {"error": ["The worker hung and was ended.", "The next request starts a new one.", 1]}
        what, todo = cause_of_death(self._process.returncode, list(self._stderr))
        return {"error": [what, todo, 1]}


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


def _raise_error(message: dict[str, Any]) -> None:
    if error := message.get("error"):
        raise LocalcoderError(error[0], error[1], exit_code=error[2])


def _event(message: dict[str, Any]) -> Event:
    _raise_error(message)
    if progress := message.get("progress"):
        return Progress(*progress)
    if token := message.get("token"):
        return Token(*token)
    if ended := message.get("ended"):
        return Ended(*ended)
    reason, stats = message["finished"]
    return Finished(reason, Stats(**stats))
