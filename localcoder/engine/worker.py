"""The child process: reads requests as lines of JSON, writes events as lines of JSON.

A reader thread takes the lines. It answers questions about text at once, and raises the abort flag when a request is
superseded or cancelled; the main thread computes. Every message of a request carries its id.
`wire` says which messages there are.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from localcoder.engine.api import Finished, MatrixInputs, ModelInfo, ReadEstimate, Request, Stats
from localcoder.engine.snapshots import SnapshotStore, model_key
from localcoder.engine.turns import Job, Turns
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
    from localcoder.engine.model import Model


@dataclass(frozen=True)
class _Loaded:
    """A model that is ready to compute."""

    context: Context
    generator: Generator


class Worker:
    """One thread takes the questions, one computes what `turns` says."""

    def __init__(self, questions: BinaryIO, answers: BinaryIO) -> None:
        self._questions = questions
        self._answers = answers
        self._turns = Turns(self._abort, self._clear_abort)
        self._write_lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._model: Model | None = None

    def run(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            job = self._turns.next()
            try:
                self._compute(job)
            except LocalcoderError as error:
                self._send(job.number, _failed(error))

    def _abort(self) -> None:
        if self._loaded is not None:
            self._loaded.context.abort()

    def _clear_abort(self) -> None:
        if self._loaded is not None:
            self._loaded.context.clear_abort()

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
            from localcoder.engine.model import Model
            from localcoder.engine.prefill import Prefill
        except (ImportError, OSError, RuntimeError) as error:
            raise LocalcoderError(f"llama-cpp-python cannot be loaded: {error}.", f"Rebuild it: {REBUILD}") from None
        if load.vocabulary_only:
            self._model = Model(load)
            return self._model.info(n_ctx=0)
        context = Context(load)
        self._model = context.model
        power = PowerWatch(is_on=load.power_saving)
        prefill = Prefill(context, _snapshots(context, load), power, parked_limit_bytes=load.parked_limit_bytes)
        self._loaded = _Loaded(context, Generator(prefill))
        return context.info

    def _compute(self, job: Job) -> None:
        question = job.question
        if isinstance(question, Load):
            self._send(job.number, self._load(question))
            return
        loaded = self._ready()

        def is_cancelled() -> bool:
            return job.is_cancelled

        if isinstance(question, Request):
            self._generate(loaded, job, question, is_cancelled)
            return
        if isinstance(question, Warm):
            loaded.generator.prefill.warm(question.ids, is_cancelled, exact=question.exact)
        elif isinstance(question, Score):
            self._score(loaded, job.number, question, is_cancelled)
        elif isinstance(question, Calibrate):
            self._calibrate(loaded, job.number, question, is_cancelled)
        elif isinstance(question, Save):
            loaded.generator.prefill.save()
        self._send(job.number, Done())

    def _generate(self, loaded: _Loaded, job: Job, request: Request, is_cancelled: Callable[[], bool]) -> None:
        """Begin it, or go on with it; returns when it is finished or pauses."""
        if job.events is None:
            is_paused = partial(self._turns.is_paused, job)
            job.events = loaded.generator.generate(request, job.arrived, is_cancelled, is_paused)
        for event in job.events:
            if event is None:
                self._turns.pause(job)
                return
            self._send(job.number, event)

    def _score(self, loaded: _Loaded, number: int, question: Score, is_cancelled: Callable[[], bool]) -> None:
        from localcoder.engine.context import DecodeAborted

        try:
            for scores in loaded.generator.prefill.score(question.ids, question.start, question.top, is_cancelled):
                self._send(number, Scores(scores))
        except DecodeAborted:
            raise _cancelled() from None

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
            raise _cancelled() from None
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
            if isinstance(question, Cancel):
                ended = self._turns.cancel(None if question.what == "all" else number)
            else:
                ended = self._turns.enter(Job(number, question, arrived))
            for job in ended:
                self._send(job.number, _unbegun(job.question))

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise LocalcoderError("No model is loaded.", "Load one first.")
        return self._loaded

    def _vocabulary(self) -> Model:
        if self._model is None:
            raise LocalcoderError("No model is loaded.", "Load one first.")
        return self._model

    def _answer(self, question: Question) -> Answer | None:
        """To what can be answered at once, whatever is being computed; else None."""
        if isinstance(question, Ping):
            return Done()
        if isinstance(question, Tokenize):
            model = self._vocabulary()
            return Ids(tuple(tuple(model.tokenize(text)) for text in question.texts))
        if isinstance(question, GetPieces):
            model = self._vocabulary()
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


def _unbegun(question: Question) -> Answer:
    """The only answer to what was cancelled while it waited."""
    if isinstance(question, Request):
        return Finished("cancelled", Stats(0, 0, 0, 0.0, 0.0, 0.0))
    return Done() if isinstance(question, Warm) else _failed(_cancelled())


def _cancelled() -> LocalcoderError:
    return LocalcoderError("What was asked was cancelled.", "Begin it again.")


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
