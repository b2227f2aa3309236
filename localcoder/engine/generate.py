"""One request on one context: read what the cache lacks, then decode and sample, token by token."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from localcoder.engine.api import Request, Stats, StopReason
from localcoder.engine.cache import KVCache, Slot
from localcoder.engine.llama import DecodeAborted, Llama, log_probability
from localcoder.engine.vocab import TextStream

READ_SLICE = 64
"""Tokens read between two looks at what else is wanted."""
FIRST_AHEAD_SLICE = 8
"""Tokens of the first batch when reading ahead; each one after it is twice as large."""
MEASURED_TOKENS = 16
"""Tokens of the smallest batch whose time says how fast this machine reads."""
PAST_WINDOW_SLICE = 16
"""Tokens read in one batch past the sliding window: its last token sees this many keys less one too many."""


class Generator:
    """Runs requests one after the other on a model's context, and keeps what the KV cache holds between them."""

    def __init__(self, llama: Llama) -> None:
        self._llama = llama
        self.cache = KVCache(llama, llama.n_cells, llama.info.window)
        self.read_tokens_per_s = 0.0
        self._measure_reading()

    def generate(self, request: Request, arrived: float, is_void: Callable[[], bool]) -> Iterator[tuple[str, Any]]:
        """Events as (kind, value): "progress" [done, total, reused, elapsed_s], "token" [id, text, logprob,
        alternative], and at last "finished" [reason, stats]."""
        slot, reused = self.cache.take(request.ids)
        read = 0
        first_token_s = 0.0
        generated = 0
        reason: StopReason = "length"
        started = arrived
        text = TextStream()
        sampler = self._llama.sampler(request.sampling, request.ids)
        try:
            for done in self._read(slot, request.ids, is_void):
                read = done - reused
                yield "progress", [done, len(request.ids), reused, time.perf_counter() - arrived]
            while generated < request.max_tokens:
                if is_void():
                    raise DecodeAborted
                token = sampler.sample()
                logprob = log_probability(self._llama.logits(), token) if request.logprobs else None
                now = time.perf_counter()
                if generated == 0:
                    first_token_s, started = now - arrived, now
                if token in self._llama.end_ids:
                    reason = "end"
                    break
                generated += 1
                yield "token", [token, text.feed(self._llama.piece(token)), logprob, 0]
                if request.time_budget_s is not None and now - started > request.time_budget_s:
                    reason = "time"
                    break
                if generated < request.max_tokens:
                    self._decode(slot, [token], outputs=1)
        except DecodeAborted:
            reason = "cancelled"
        finally:
            sampler.close()
        if rest := text.finish():
            yield "token", [-1, rest, None, 0]
        now = time.perf_counter()
        spent = now - started
        stats = Stats(
            tokens_read=read,
            tokens_reused=reused,
            tokens_generated=generated,
            first_token_s=first_token_s,
            tokens_per_s=(generated - 1) / spent if generated > 1 and spent > 0 else 0.0,
            elapsed_s=now - arrived,
        )
        yield "finished", [reason, asdict(stats)]

    def warm(self, ids: Sequence[int], is_void: Callable[[], bool]) -> None:
        """Read ahead, as far as nothing else is wanted."""
        if not ids:
            return
        slot, _ = self.cache.take(ids, ahead=True)
        # A request that comes meanwhile ends the batch that runs, and its work is lost: small batches first, so that
        # reading gets on between the keystrokes of someone who types, and larger, faster ones when nobody does.
        sizes = (FIRST_AHEAD_SLICE << i for i in itertools.count())
        try:
            for _ in self._read(slot, ids, is_void, sizes):
                pass
        except DecodeAborted:
            return

    def _measure_reading(self) -> None:
        """Read a few tokens once: it touches every weight, and says how fast this machine reads."""
        slot, _ = self.cache.take(range(MEASURED_TOKENS + 1))
        self._decode(slot, range(MEASURED_TOKENS), outputs=1)
        slot.clear()

    def _read(
        self,
        slot: Slot,
        ids: Sequence[int],
        is_void: Callable[[], bool],
        sizes: Iterable[int] | None = None,
    ) -> Iterator[int]:
        """Decode what the slot lacks of `ids`; yields how many it holds after each batch."""
        for size in sizes or itertools.repeat(READ_SLICE):
            position = len(slot.ids)
            if position >= len(ids):
                return
            if is_void():
                raise DecodeAborted
            batch = ids[position : position + min(size, self._slice(position))]
            self._decode(slot, batch, outputs=int(position + len(batch) == len(ids)))
            yield len(slot.ids)

    def _slice(self, position: int) -> int:
        window = self._llama.info.window
        if not window or position + READ_SLICE <= window:
            return READ_SLICE
        return max(PAST_WINDOW_SLICE, min(READ_SLICE, window - position))

    def _decode(self, slot: Slot, ids: Sequence[int], outputs: int) -> None:
        self.cache.prepare(slot, len(ids))
        start = time.perf_counter()
        try:
            self._llama.decode(ids, len(slot.ids), outputs, slot.live)
        except DecodeAborted:
            slot.recover(ids)
            raise
        slot.appended(ids)
        if len(ids) >= MEASURED_TOKENS:
            self.read_tokens_per_s = len(ids) / (time.perf_counter() - start)
