"""One request on one context: read what the cache lacks, then decode and sample, token by token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from localcoder.engine.api import Ended, Event, Finished, ReadProgress, Request, Stats, StopReason, Token
from localcoder.engine.cache import Placement, Slot
from localcoder.engine.context import DecodeAborted
from localcoder.engine.prefill import READ_SLICE, Prefill
from localcoder.engine.sampler import Sampler, likeliest, log_probability
from localcoder.engine.speculate import Lookup
from localcoder.engine.vocab import TextStream


@dataclass
class _Branch:
    """One alternative while it is generated: `ids` were sampled, and the last one, `token`, is not decoded yet.

    Alternatives after the first have a sequence `seq` of their own while they are generated together.
    """

    number: int
    seq: int
    sampler: Sampler
    forced: bytes
    text: TextStream = field(default_factory=TextStream)
    ids: list[int] = field(default_factory=list)
    reason: StopReason | None = None

    @property
    def token(self) -> int:
        return self.ids[-1]


@dataclass
class _Clock:
    """When things happened, in seconds of `time.perf_counter`."""

    arrived: float
    first_token: float | None = None

    def token(self) -> None:
        self.first_token = self.first_token or time.perf_counter()


@dataclass(frozen=True)
class _Pauses:
    """Whether a request is to end, or to let others go first."""

    is_cancelled: Callable[[], bool]
    is_paused: Callable[[], bool]

    def is_asked(self) -> bool:
        """That it stops computing, for either reason."""
        return self.is_cancelled() or self.is_paused()

    def check(self) -> None:
        """Raises DecodeAborted if it is to stop computing."""
        if self.is_asked():
            raise DecodeAborted

    def check_cancelled(self) -> None:
        """In answer to DecodeAborted: raises it again unless it was for a pause, whose reason may be gone by now."""
        if self.is_cancelled():
            raise DecodeAborted


class Generator:
    """Runs requests one after the other on a model's context."""

    def __init__(self, prefill: Prefill) -> None:
        self.prefill = prefill
        self._context = prefill.context

    def generate(
        self,
        request: Request,
        arrived: float,
        is_cancelled: Callable[[], bool],
        is_paused: Callable[[], bool] = lambda: False,
    ) -> Iterator[Event | None]:
        """ReadProgress, tokens, Ended for each alternative when there are several, and at last Finished.

        None says that it pauses, as `is_paused` asked for: whatever else is computed before the next step, it goes on
        where it was. Several alternatives do not pause. `arrived` is in seconds of `time.perf_counter`. Raises
        LocalcoderError when the context cannot hold the prompt.
        """
        request = replace(request, max_tokens=min(request.max_tokens, self.prefill.room(request.ids)))
        self.prefill.adapt_threads()
        clock = _Clock(arrived)
        pauses = _Pauses(is_cancelled, is_paused if request.alternatives == 1 else lambda: False)
        branches: list[_Branch] = []
        read, reused = 0, None
        try:
            while True:
                try:
                    pauses.check()
                    placement = self._placement(request.ids)
                    before, reused = read, placement.kept if reused is None else reused
                    for done in self.prefill.read_at(placement, request.ids, pauses.is_asked):
                        read = before + done - placement.kept
                        yield ReadProgress(done, len(request.ids), reused, time.perf_counter() - arrived)
                    break
                except DecodeAborted:
                    pauses.check_cancelled()
                    yield None
            slot = placement.slot
            branches = self._branches(request, slot)
            for branch in branches:
                yield from self._sample(branch, -1, request, clock)
            if len(branches) > 1:
                yield from self._go_on_together(branches, request, slot, clock, is_cancelled)
            for branch in (each for each in branches if each.reason is None):
                yield from self._go_on(branch, request, slot, clock, pauses)
                if len(branches) > 1 and branch.reason is not None:
                    yield Ended(branch.number, branch.reason)
        except DecodeAborted:
            for branch in branches:
                branch.reason = branch.reason or "cancelled"
        finally:
            for branch in branches:
                branch.sampler.close()
        for branch in branches:
            if rest := branch.text.finish():
                yield Token(-1, rest, alternative=branch.number)
        reason = branches[0].reason if branches else None
        yield Finished(reason or "cancelled", _stats(read, reused or 0, branches, clock))

    def _placement(self, ids: Sequence[int]) -> Placement:
        self.prefill.restore(ids)
        return self.prefill.cache.acquire(ids)

    def _branches(self, request: Request, slot: Slot) -> list[_Branch]:
        count = min(request.alternatives, self._context.spare_sequences + 1)
        history = request.ids if request.sampling.repeat_penalty != 1.0 else ()
        return [
            _Branch(
                number=i,
                seq=slot.live if i == 0 else self._context.first_spare_sequence + i - 1,
                sampler=self._context.sampler(request.sampling, history, alternative=i),
                forced=request.forced,
            )
            for i in range(count)
        ]

    def _go_on(
        self, branch: _Branch, request: Request, slot: Slot, clock: _Clock, pauses: _Pauses
    ) -> Iterator[Event | None]:
        """Decode and sample one branch in the slot, several tokens at a time where a draft is likely to be right."""
        ids = (*request.ids, *branch.ids)
        if branch.number > 0:
            slot.keep_prefix(ids[:-1])
            for _ in self.prefill.read(slot, ids[:-1], pauses.is_asked):
                pass
        lookup = Lookup(ids) if request.drafts else None
        is_away = False
        while branch.reason is None:
            try:
                pauses.check()
                if is_away:
                    slot = self._return(request, branch, pauses)
                    is_away = False
                self.prefill.adapt_threads()
                draft = self._draft(lookup, len(slot.ids), request.max_tokens - len(branch.ids))
                position = len(slot.ids)
                self.prefill.decode(slot, [branch.token, *draft.verified], outputs=1 + len(draft.verified))
            except DecodeAborted:
                pauses.check_cancelled()
                is_away = True
                yield None
                continue
            accepted = 0
            for index in range(1 + len(draft.verified)):
                output = index - 1 - len(draft.verified)
                yield from self._sample(branch, output, request, clock)
                if lookup is not None and branch.reason is None:
                    lookup.append(branch.token)
                right = branch.reason is None and index < len(draft.ids) and branch.token == draft.ids[index]
                if index < len(draft.ids):
                    self.prefill.payoff.observed(draft.matched, right=right)
                if not right:
                    break
                accepted += index < len(draft.verified)
            if accepted < len(draft.verified):
                slot.truncate(position + 1 + accepted)

    def _return(self, request: Request, branch: _Branch, pauses: _Pauses) -> Slot:
        """A slot that holds all but the last token, which is not decoded yet. Raises DecodeAborted."""
        ids = (*request.ids, *branch.ids)
        placement = self._placement(ids)
        for _ in self.prefill.read_at(placement, ids[:-1], pauses.is_asked):
            pass
        return placement.slot

    def _draft(self, lookup: Lookup | None, position: int, wanted: int) -> _Draft:
        if lookup is None:
            return _Draft(0, (), ())
        # Past the window a batch sees a few keys too many, and greedy output has to stay the same.
        window = self._context.info.window or position + READ_SLICE
        largest = max(0, min(READ_SLICE, window - position))
        matched, ids = lookup.draft(min(largest, wanted))
        size = self.prefill.payoff.batch(matched, len(ids), largest)
        return _Draft(matched, tuple(ids), tuple(ids[: size - 1]))

    def _go_on_together(
        self, branches: list[_Branch], request: Request, slot: Slot, clock: _Clock, is_cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        """Decode all branches in one batch a step, one token each, while there are several and the cache has room.

        The first goes on in the slot, the others in sequences of their own that share the prompt's cells.
        """
        position, active = len(request.ids), branches
        try:
            for branch in branches[1:]:
                self._context.seq_cp(slot.live, branch.seq, 0, -1)
            while True:
                for branch in active:
                    if branch.reason is None:
                        continue
                    yield Ended(branch.number, branch.reason)
                    if branch.number > 0:
                        self._context.seq_rm(branch.seq, 0, -1)
                active = [branch for branch in active if branch.reason is None]
                others = [branch for branch in active if branch.number > 0]
                if is_cancelled():
                    raise DecodeAborted
                visible_from = slot.visible_from(position)
                own = position + 1 - max(len(request.ids), visible_from)
                if not others or not self.prefill.cache.prepare(slot, 1 + len(others) * own):
                    return
                for branch in others:
                    self._context.seq_rm(branch.seq, 0, visible_from)
                self._context.decode_each([(branch.token, position, branch.seq) for branch in active])
                position += 1
                for index, branch in enumerate(active):
                    if branch.number == 0:
                        slot.appended([branch.token])
                    yield from self._sample(branch, index, request, clock)
        finally:
            for branch in branches[1:]:
                self._context.seq_rm(branch.seq, 0, -1)

    def _sample(self, branch: _Branch, output: int, request: Request, clock: _Clock) -> Iterator[Event]:
        """Choose the branch's next token from an output of the last batch, and say it unless it ends the branch."""
        if branch.forced:
            self._context.allow_only(output, branch.forced)
        token = branch.sampler.sample(output)
        logprob = log_probability(self._context.logits(output), token) if request.logprobs else None
        top = likeliest(self._context.logits(output), request.top_logprobs) if request.top_logprobs else ()
        clock.token()
        if token in self._context.model.end_ids:
            branch.reason = "end"
            return
        piece = self._context.model.piece(token)
        # What was forced stands in the prompt's text already.
        said, branch.forced = piece[len(branch.forced) :], branch.forced[len(piece) :]
        branch.ids.append(token)
        yield Token(token, branch.text.feed(said), logprob, branch.number, top)
        if len(branch.ids) >= request.max_tokens:
            branch.reason = "length"


@dataclass(frozen=True)
class _Draft:
    """Ids that may come next, after how many that matched, and those of them that the next batch verifies."""

    matched: int
    ids: tuple[int, ...]
    verified: tuple[int, ...]


def _stats(read: int, reused: int, branches: Sequence[_Branch], clock: _Clock) -> Stats:
    now = time.perf_counter()
    generated = sum(len(branch.ids) for branch in branches)
    first = clock.first_token or now
    # The first token of each branch comes with the prompt.
    later, spent = generated - len(branches), now - first
    return Stats(
        tokens_read=read,
        tokens_reused=reused,
        tokens_generated=generated,
        first_token_s=first - clock.arrived if clock.first_token else 0.0,
        tokens_per_s=later / spent if later > 0 and spent > 0 else 0.0,
        elapsed_s=now - clock.arrived,
    )
