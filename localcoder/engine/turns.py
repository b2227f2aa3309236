"""Whose turn it is in the worker: what was asked, what computes, what pauses, and what ends what.

    arrives     long   key 1                key 2         ahead
    computes    long . key 1 . long . . . . key 2 . long . . . . ahead

A *key* is a request that does not give way: somebody waits for it, and it ends whatever was asked before but the
requests that give way. One of those (*long*) pauses for it, and then goes on. What reads *ahead* is ended by any
request, and by what is to be read ahead later. Everything else has its turn in the order in which it was asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from localcoder.engine.api import Event, Request
from localcoder.engine.wire import Calibrate, Question, Score, Warm


@dataclass(eq=False)
class Job:
    """What was asked, and when it arrived, in seconds of `time.perf_counter`.

    `events` is what a request that pauses goes on with.
    """

    number: int
    question: Question
    arrived: float
    is_cancelled: bool = False
    events: Iterator[Event | None] | None = None

    @property
    def gives_way(self) -> bool:
        return isinstance(self.question, Request) and self.question.gives_way and self.question.alternatives == 1

    @property
    def is_key(self) -> bool:
        return isinstance(self.question, Request) and not self.gives_way

    @property
    def can_end(self) -> bool:
        """Whether it looks at `is_cancelled`; loading and saving come to their own end."""
        return isinstance(self.question, (Request, Warm, Score, Calibrate))

    @property
    def is_ahead(self) -> bool:
        return isinstance(self.question, Warm)


class Turns:
    """Shared by the thread that takes questions and the one that computes.

    `stop` is called when what computes has to stop, `go_on` when the next job begins; either under the lock, so that
    neither takes back what the other one did.
    """

    def __init__(self, stop: Callable[[], None], go_on: Callable[[], None]) -> None:
        self._stop, self._go_on = stop, go_on
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        """Oldest first."""
        self._current: Job | None = None
        self._paused: Job | None = None

    def enter(self, job: Job) -> list[Job]:
        """Have it wait for its turn; returns those that it ended before they had begun."""
        with self._changed:
            ended = self._end([each for each in self._all() if _ends(job, each)])
            self._waiting.append(job)
            self._stop_if_due()
            self._changed.notify()
            return ended

    def cancel(self, number: int | None) -> list[Job]:
        """End the job of this number, or all of them; returns those that had not begun."""
        with self._changed:
            ended = self._end([each for each in self._all() if number is None or each.number == number])
            self._stop_if_due()
            self._changed.notify()
            return ended

    def next(self) -> Job:
        """Wait for what is to be computed now: a job that begins, or the one that pauses."""
        with self._changed:
            while (job := self._first()) is None:
                self._changed.wait()
            if job is self._paused:
                self._paused = None
            else:
                self._waiting.remove(job)
            self._current = job
            if not self._has_to_stop(job):
                self._go_on()
            return job

    def pause(self, job: Job) -> None:
        """It lets others go first."""
        with self._changed:
            self._paused = job

    def is_paused(self, job: Job) -> bool:
        """Whether it is to let others go first."""
        return job.gives_way and any(each.is_key for each in self._waiting)

    def _all(self) -> list[Job]:
        return [*filter(None, (self._current, self._paused)), *self._waiting]

    def _end(self, jobs: list[Job]) -> list[Job]:
        """Cancel them; returns those that wait no more."""
        for job in jobs:
            job.is_cancelled = job.can_end
        ended = [job for job in self._waiting if job.is_cancelled]
        self._waiting = [job for job in self._waiting if not job.is_cancelled]
        return ended

    def _first(self) -> Job | None:
        """What pauses and was cancelled has only to say so."""
        if self._paused is not None and self._paused.is_cancelled:
            return self._paused
        key = next((each for each in self._waiting if each.is_key), None)
        return key or self._paused or (self._waiting[0] if self._waiting else None)

    def _has_to_stop(self, job: Job) -> bool:
        return job.is_cancelled or self.is_paused(job)

    def _stop_if_due(self) -> None:
        if self._current is not None and self._has_to_stop(self._current):
            self._stop()


def _ends(job: Job, earlier: Job) -> bool:
    if earlier.gives_way:
        return False
    return job.is_key or (earlier.is_ahead and (job.is_ahead or job.gives_way))
