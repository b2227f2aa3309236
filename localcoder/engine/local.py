"""An engine on this machine: a worker that is started when it is needed, restarted when it died, and unloaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from localcoder import paths
from localcoder.engine.api import (
    Event,
    Finished,
    Lora,
    MatrixInputs,
    ModelInfo,
    ReadEstimate,
    Request,
    TokenScore,
)
from localcoder.engine.wire import (
    Answer,
    Calibrate,
    Calibrated,
    Done,
    Estimate,
    GetPieces,
    Ids,
    Load,
    Pieces,
    Question,
    Save,
    Score,
    Scores,
    Tokenize,
    Warm,
)
from localcoder.engine.worker_process import HANG_S, WorkerProcess, checked
from localcoder.errors import LocalcoderError
from localcoder.hardware import default_threads, gpu_backends, gpus
from localcoder.power import slept_s

_SAVE_TIMEOUT_S = 5.0
"""Chosen: more than what the worker gives itself for it."""
_CANCEL_TIMEOUT_S = 1.0
"""Chosen: several times the 150 ms in which a worker gives up."""
_NAP_S = 2.0
"""Seconds that a machine has to have slept to be taken for one that did: clocks drift."""
SNAPSHOTS_LIMIT_BYTES = 1 << 30
"""Chosen: fourteen texts of 2,300 tokens with a 3B."""
PARKED_LIMIT_BYTES = 1 << 28
"""Where nobody has asked what memory is free: three texts of 2,300 tokens in a 3B."""


class LocalEngine:
    """llama.cpp in a child process, started with the first request. The protocol of `api.Engine`.

    With a `snapshots_dir`, what was read is kept there when the worker ends, and read back instead of read anew.
    `parked_limit_bytes` is the memory for texts that have no room in the KV cache.
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
        parked_limit_bytes: int = PARKED_LIMIT_BYTES,
        idle_s: float | None = None,
        power_saving: bool = False,
        hang_s: float = HANG_S,
    ) -> None:
        self.model = model
        self._loras = tuple(loras)
        self._snapshots_dir = snapshots_dir
        self._snapshots_limit_bytes = snapshots_limit_bytes
        self._parked_limit_bytes = parked_limit_bytes
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
        self._worker: WorkerProcess | None = None
        self._info: ModelInfo | None = None
        self._start = asyncio.Lock()
        self._is_closed = False

    async def info(self) -> ModelInfo:
        # To tell what is known of a model that was unloaded, it need not be loaded again.
        if self._info is None:
            await self._ready()
        assert self._info is not None
        return self._info

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        worker = await self._ready()
        return list((await worker.ask(Tokenize(tuple(texts)), Ids)).ids)

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        worker = await self._ready()
        return list((await worker.ask(GetPieces(tuple(ids)), Pieces)).pieces)

    async def estimate(self, ids: Sequence[int]) -> ReadEstimate:
        worker = await self._ready()
        return await worker.ask(Estimate(tuple(ids)), ReadEstimate)

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        if not request.ids:
            raise ValueError("a request needs at least one id")
        worker = await self._ready()
        async with aclosing(self._answers(worker, request, Finished, request.request_id)) as answers:
            async for answer in answers:
                assert isinstance(answer, Event)
                yield answer

    async def warm(self, ids: Sequence[int], *, exact: bool = True) -> None:
        worker = await self._ready()
        job, answers = worker.start(Warm(tuple(ids), exact))
        try:
            checked(await answers.get())
        except asyncio.CancelledError:
            worker.cancel(job)
            # Whoever cancels it is about to ask what the cache holds. At the end of the program nobody answers.
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(answers.get(), _CANCEL_TIMEOUT_S)
            raise
        finally:
            worker.forget(job)
            self._used()

    async def score(self, ids: Sequence[int], start: int, *, top: int = 0) -> list[TokenScore]:
        if not 0 < start <= len(ids):
            raise ValueError(f"no scores from {start} on of {len(ids)} ids")
        worker = await self._ready()
        scores: list[TokenScore] = []
        async with aclosing(self._answers(worker, Score(tuple(ids), start, top), Done)) as answers:
            async for answer in answers:
                if isinstance(answer, Scores):
                    scores += answer.scores
        return scores

    async def calibrate(self, chunks: Sequence[Sequence[int]]) -> AsyncGenerator[int | MatrixInputs, None]:
        """As `api.LocalOnly.calibrate` says."""
        worker = await self._ready()
        async with aclosing(self._answers(worker, Calibrate(tuple(map(tuple, chunks))), Done)) as answers:
            async for answer in answers:
                if isinstance(answer, MatrixInputs):
                    yield answer
                elif isinstance(answer, Calibrated):
                    yield answer.done

    async def _answers(
        self, worker: WorkerProcess, question: Question, last: type[Answer], request_id: int | None = None
    ) -> AsyncGenerator[Answer, None]:
        """What the worker answers, up to the `last` kind of answer. Closing it before that cancels the work."""
        job, answers = worker.start(question)
        if request_id is not None:
            self._jobs[request_id] = job
        finished = False
        try:
            while not finished:
                answer = checked(await answers.get())
                finished = isinstance(answer, last)
                yield answer
        finally:
            if not finished:
                worker.cancel(job)
            worker.forget(job)
            if request_id is not None:
                self._jobs.pop(request_id, None)
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
            self._is_closed = True
            await self._end_worker()

    async def _end_worker(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        worker, self._worker = self._worker, None
        if worker is not None:
            if self._snapshots_dir is not None and worker.alive:
                await self._save(worker)
            await worker.close()

    async def _save(self, worker: WorkerProcess) -> None:
        worker.cancel_all()
        with suppress(LocalcoderError, asyncio.TimeoutError):
            await asyncio.wait_for(worker.ask(Save(), Done), _SAVE_TIMEOUT_S)

    async def _ready(self) -> WorkerProcess:
        """A live worker with the model loaded."""
        async with self._start:
            if self._is_closed:
                # Whoever still reads ahead must not start another worker.
                raise LocalcoderError("The engine was closed.", "Start localcoder again.")
            if self._worker is not None and self._worker.alive and not self._gpu_may_be_lost():
                self._used()
                return self._worker
            if self._worker is not None:
                await self._worker.close()
                self._worker = None
            worker = await WorkerProcess.spawn(self._hang_s)
            try:
                self._info = await worker.ask(self._load(), ModelInfo)
            except BaseException:
                await worker.close()
                raise
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
        self._unloading = asyncio.create_task(self.unload())

    async def unload(self) -> None:
        async with self._start:
            if self._worker is not None and self._worker.is_busy:
                self._used()
            else:
                await self._end_worker()

    def _load(self) -> Load:
        demo = paths.bundled_model()
        return Load(
            path=str(self.model),
            n_threads=self._n_threads or default_threads(),
            n_ctx=self._n_ctx,
            n_gpu_layers=self._n_gpu_layers,
            is_demo=demo.exists() and self.model.exists() and self.model.samefile(demo),
            loras=self._loras,
            snapshots_dir=str(self._snapshots_dir) if self._snapshots_dir else None,
            snapshots_limit_bytes=self._snapshots_limit_bytes,
            parked_limit_bytes=self._parked_limit_bytes,
            power_saving=self._power_saving,
        )
