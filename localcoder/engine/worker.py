"""The child process: reads requests as lines of JSON, writes events as lines of JSON.

A reader thread takes the lines. It answers questions about text at once, and raises the abort flag when a request is
superseded or cancelled; the main thread computes. Every message of a request carries its id.
`wire` says which messages there are.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from localcoder.engine.api import Event, MatrixInputs, ModelInfo, ReadEstimate, Request
from localcoder.engine.snapshots import SnapshotStore, model_key
from localcoder.engine.wire import (
    Answer,
    Calibrate,
    Calibrated,
    Cancel,
    Done,
    Estimate,
    Failed,
    GetPieces,
    Ids,
    Load,
    Pieces,
    Ping,
    Question,
    Save,
    Score,
    Scores,
    Tokenize,
    Warm,
    decode_question,
    encode,
)
from localcoder.errors import LocalcoderError
from localcoder.hardware import REBUILD, cpu_features_missing
from localcoder.offline import guard
from localcoder.power import PowerWatch

if TYPE_CHECKING:
    from localcoder.engine.context import Context
    from localcoder.engine.generate import Generator


@dataclass(frozen=True)
class _Job:
    """What was asked, and when it arrived, in seconds of `time.perf_counter`."""

    number: int
    question: Question
    arrived: float


@dataclass(frozen=True)
class _Paused:
    """A request that lets others go first, and what it will go on with."""

    job: _Job
    events: Iterator[Event | None]


@dataclass(frozen=True)
class _Loaded:
    """A model that is ready to compute."""

    context: Context
    generator: Generator


class Worker:
    """One job after the other; a request that gives way pauses for others in between.

        arrives     long   key 1                key 2         ahead
        computes    long . key 1 . long . . . . key 2 . long . . . . ahead

    Jobs up to the number `cancelled_to` are cancelled before or while they run; of those that read ahead, also those up
    to `cancelled_ahead_to`: only what was wanted last is read. Those that give way end when they are asked to by their
    own number, or all are. `current` is the job that computes; `urgent` jobs wait for which it has to pause.
    """

    def __init__(self, questions: BinaryIO, answers: BinaryIO) -> None:
        self._questions = questions
        self._answers = answers
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._cancelled_to = self._cancelled_ahead_to = 0
        self._all_cancelled_to = 0
        self._giving_way: set[int] = set()
        self._ended_by_number: set[int] = set()
        self._urgent = 0
        self._paused: _Paused | None = None
        self._deferred: deque[_Job] = deque()
        self._current = _Job(0, Ping(), 0.0)

    def run(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            job = self._next()
            try:
                if isinstance(job.question, Load):
                    self._send(job.number, self._load(job.question))
                    continue
                with self._lock:
                    self._current = job
                    self._urgent -= _is_urgent(job.question)
                loaded = self._ready()
                with self._lock:
                    if not self._has_to_stop(job):
                        loaded.context.clear_abort()
                self._compute(loaded, job)
            except LocalcoderError as error:
                self._send(job.number, _failed(error))

    def _next(self) -> _Job:
        """What is computed next: what is urgent, then what pauses, and then what waited for that."""
        while True:
            try:
                job = self._jobs.get(block=self._paused is None and not self._deferred)
            except queue.Empty:
                return self._paused.job if self._paused is not None else self._deferred.popleft()
            if (self._paused is None and not self._deferred) or _is_urgent(job.question):
                return job
            self._deferred.append(job)

    def _has_to_stop(self, job: _Job) -> bool:
        return self._is_cancelled(job) or (_gives_way(job.question) and self._urgent > 0)

    def _load(self, load: Load) -> ModelInfo:
        """Check the processor, then import native code: an instruction that is missing would kill the process."""
        if missing := cpu_features_missing():
            raise LocalcoderError(
                f"This processor lacks {', '.join(missing)}, which llama.cpp was built with.",
                f"Rebuild it here: {REBUILD}",
            )
        try:
            from localcoder.engine.context import Context
            from localcoder.engine.generate import Generator
            from localcoder.engine.prefill import Prefill
        except (ImportError, OSError, RuntimeError) as error:
            raise LocalcoderError(f"llama-cpp-python cannot be loaded: {error}.", f"Rebuild it: {REBUILD}") from None
        context = Context(load)
        power = PowerWatch(is_on=load.power_saving)
        prefill = Prefill(context, _snapshots(context, load), power, parked_limit_bytes=load.parked_limit_bytes)
        self._loaded = _Loaded(context, Generator(prefill))
        return context.info

    def _is_cancelled(self, job: _Job) -> bool:
        if _gives_way(job.question):
            return job.number <= self._all_cancelled_to or job.number in self._ended_by_number
        is_ahead = isinstance(job.question, Warm)
        return job.number <= max(self._cancelled_to, self._cancelled_ahead_to if is_ahead else 0)

    def _compute(self, loaded: _Loaded, job: _Job) -> None:
        question = job.question

        def is_cancelled() -> bool:
            return self._is_cancelled(job)

        if isinstance(question, Request):
            self._generate(loaded, job, question, is_cancelled)
            return
        if isinstance(question, Warm) and not is_cancelled():
            loaded.generator.prefill.warm(question.ids, is_cancelled, exact=question.exact)
        elif isinstance(question, Score):
            self._score(loaded, job.number, question, is_cancelled)
        elif isinstance(question, Calibrate):
            self._calibrate(loaded, job.number, question, is_cancelled)
        elif isinstance(question, Save):
            loaded.generator.prefill.save()
        self._send(job.number, Done())

    def _generate(self, loaded: _Loaded, job: _Job, request: Request, is_cancelled: Callable[[], bool]) -> None:
        """Begin it, or go on with it; returns when it is finished or pauses."""
        if self._paused is not None and self._paused.job is job:
            events = self._paused.events
        else:

            def is_paused() -> bool:
                return _gives_way(request) and self._urgent > 0

            events = loaded.generator.generate(request, job.arrived, is_cancelled, is_paused)
        is_over = True
        try:
            for event in events:
                if event is None:
                    self._paused, is_over = _Paused(job, events), False
                    return
                self._send(job.number, event)
        finally:
            if is_over:
                if self._paused is not None and self._paused.job is job:
                    self._paused = None
                with self._lock:
                    self._giving_way.discard(job.number)
                    self._ended_by_number.discard(job.number)

    def _score(self, loaded: _Loaded, number: int, question: Score, is_cancelled: Callable[[], bool]) -> None:
        from localcoder.engine.context import DecodeAborted

        try:
            for scores in loaded.generator.prefill.score(question.ids, question.start, question.top, is_cancelled):
                self._send(number, Scores(scores))
        except DecodeAborted:
            raise LocalcoderError("The scoring was cancelled.", "Begin it again.") from None

    def _calibrate(self, loaded: _Loaded, number: int, question: Calibrate, is_cancelled: Callable[[], bool]) -> None:
        from localcoder.engine.calibration import Calibrator
        from localcoder.engine.context import DecodeAborted

        context, longest = loaded.context, max(map(len, question.chunks), default=1)
        calibrator = Calibrator(context.model, context.n_threads, longest, is_cancelled)
        try:
            done = 0
            for chunk in question.chunks:
                calibrator.add(chunk)
                done += len(chunk)
                self._send(number, Calibrated(done))
            for name, sums in calibrator.sums.items():
                self._send(number, MatrixInputs(name, calibrator.counts[name], sums.tobytes()))
        except DecodeAborted:
            raise LocalcoderError("The calibration was cancelled.", "Begin it again.") from None
        finally:
            calibrator.close()

    def _read(self) -> None:
        """Take messages until the parent is gone: then nobody is left to compute for, and nobody to read an answer."""
        try:
            self._take_messages()
        except BrokenPipeError:
            pass
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _take_messages(self) -> None:
        for line in self._questions:
            arrived = time.perf_counter()
            number, question = decode_question(line)
            try:
                if (answer := self._answer(question)) is not None:
                    self._send(number, answer)
                    continue
            except LocalcoderError as error:
                self._send(number, _failed(error))
                continue
            if isinstance(question, (Request, Warm, Cancel)):
                with self._lock:
                    self._note(number, question)
                    if self._loaded is not None and self._has_to_stop(self._current):
                        self._loaded.context.abort()
                    is_waiting = number != self._current.number
                if isinstance(question, Cancel) and question.what == "ahead" and is_waiting:
                    # It may wait for a long generation, and whoever cancelled it for this answer.
                    self._send(number, Done())
            if not isinstance(question, Cancel):
                self._jobs.put(_Job(number, question, arrived))

    def _note(self, number: int, question: Request | Warm | Cancel) -> None:
        """What this ends of what was asked before."""
        if isinstance(question, Warm):
            self._cancelled_ahead_to = number - 1
        elif _gives_way(question):
            self._cancelled_ahead_to = number - 1
            self._giving_way.add(number)
        elif isinstance(question, Request):
            self._cancelled_to = max(self._cancelled_to, number - 1)
            self._urgent += 1
        elif question.what == "ahead":
            self._cancelled_ahead_to = max(self._cancelled_ahead_to, number)
        else:
            self._cancelled_to = max(self._cancelled_to, number)
            if question.what == "all":
                self._all_cancelled_to = number
            if number in self._giving_way:
                self._ended_by_number.add(number)

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise LocalcoderError("No model is loaded.", "Load one first.")
        return self._loaded

    def _answer(self, question: Question) -> Answer | None:
        """To what can be answered at once, whatever is being computed; else None."""
        if isinstance(question, Ping):
            return Done()
        if isinstance(question, Tokenize):
            model = self._ready().context.model
            return Ids(tuple(tuple(model.tokenize(text)) for text in question.texts))
        if isinstance(question, GetPieces):
            model = self._ready().context.model
            return Pieces(tuple(model.piece(i) for i in question.ids))
        if isinstance(question, Estimate):
            prefill, ids = self._ready().generator.prefill, question.ids
            reusable, exact = prefill.reusable(ids), prefill.reusable(ids, exact=True)
            return ReadEstimate(len(ids), reusable, prefill.read_tokens_per_s, approximate=max(0, reusable - exact))
        return None

    def _send(self, number: int, answer: Answer) -> None:
        line = encode(number, answer)
        with self._write_lock:
            self._answers.write(line)
            self._answers.flush()


def _gives_way(question: Question) -> bool:
    return isinstance(question, Request) and question.gives_way and question.alternatives == 1


def _is_urgent(question: Question) -> bool:
    return isinstance(question, Request) and not _gives_way(question)


def _failed(error: LocalcoderError) -> Failed:
    return Failed(error.what, error.todo, error.exit_code)


def _snapshots(context: Context, load: Load) -> SnapshotStore | None:
    if load.snapshots_dir is None:
        return None
    adapters = [f"{model_key(Path(lora.path))} {lora.scale}" for lora in load.loras]
    key = model_key(Path(load.path), context.model.build, *adapters)
    return SnapshotStore(Path(load.snapshots_dir), key, load.snapshots_limit_bytes)


def main() -> None:
    """Take fds 0 and 1 for the protocol, so that nothing native ever writes into it, nor into the screen."""
    guard()
    # Who ends everything at once (systemd, a logout) leaves the parent time to have the cache saved; it ends us then.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, 0)
    os.dup2(2, 1)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    try:
        Worker(questions, answers).run()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(0)
