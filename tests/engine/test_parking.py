"""Texts that left the KV cache come back from memory or disk, and nothing else does."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from localcoder.completion.layout import fim_prompt, repository_head
from localcoder.engine import cache, kv_shift, parking, snapshots
from localcoder.engine.api import Finished, Request, Token
from localcoder.engine.cache import KVCache
from localcoder.engine.local import LocalEngine
from localcoder.engine.parking import Parking
from localcoder.engine.snapshots import SnapshotStore
from tests.engine.test_cache import FakeContext

TEXTS = [inspect.getsource(module)[:600] for module in (cache, kv_shift, parking, snapshots)]
HEAD = "\n".join(line for line in inspect.getsource(cache).splitlines() if line.lstrip().startswith("def "))[:700]


@pytest_asyncio.fixture
async def parks(demo_model: Path) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(demo_model, parked_limit_bytes=1 << 25)
    yield engine
    await engine.close()


async def prompts(engine: LocalEngine, texts: list[str], head: str = "") -> list[tuple[int, ...]]:
    special = (await engine.info()).special
    found = []
    for text in texts:
        before, after, signatures = await engine.tokenize([text[:400], text[400:], head])
        files = [signatures] if head else []
        found.append(repository_head((), files, special) + fim_prompt("spm", before, after, special, ()))
    return found


async def ask(engine: LocalEngine, ids: tuple[int, ...]) -> tuple[list[int], Finished]:
    *events, finished = [event async for event in engine.generate(Request(ids, 6))]
    assert isinstance(finished, Finished)
    return [event.id for event in events if isinstance(event, Token)], finished


async def test_files_that_are_typed_in_by_turns_are_read_once(parks: LocalEngine) -> None:
    asked = await prompts(parks, TEXTS)
    first = [await ask(parks, ids) for ids in asked]
    assert all(finished.stats.tokens_read > 100 for _, finished in first)
    for _ in range(2):
        for ids, (said, _) in zip(asked, first, strict=True):
            again, finished = await ask(parks, ids)
            assert finished.stats.tokens_read <= 12
            assert again == said, "the cells are those that were computed"


async def test_without_memory_for_them_they_are_read_again(demo_model: Path) -> None:
    engine = LocalEngine(demo_model, parked_limit_bytes=0)
    asked = await prompts(engine, TEXTS)
    for ids in asked:
        await ask(engine, ids)
    _, finished = await ask(engine, asked[0])
    assert finished.stats.tokens_read > 100
    await engine.close()


async def test_what_stands_before_many_texts_is_read_once(demo_model: Path, tmp_path: Path) -> None:
    """In this process and in the next."""
    for _ in range(2):
        engine = LocalEngine(demo_model, snapshots_dir=tmp_path)
        asked = await prompts(engine, TEXTS, HEAD)
        fim_prefix = (await engine.info()).special.fim_prefix
        assert fim_prefix is not None
        head = asked[0].index(fim_prefix)
        assert head > 100
        read = [(await ask(engine, ids))[1].stats.tokens_read for ids in asked]
        assert all(tokens <= len(ids) - head for tokens, ids in zip(read[1:], asked[1:], strict=True))
        await engine.close()
    assert read[0] <= len(asked[0]) - head
    store = SnapshotStore(tmp_path, "another model", 1 << 30)
    assert not store.all, "cells are the model's that computed them"


def test_the_oldest_make_room_and_what_was_used_is_young() -> None:
    kept = Parking(250, None, 0)
    for start in (0, 1000):
        kept.park(tuple(range(start, start + 100)), 0, 100, lambda: bytearray(100))
    assert kept.best(range(100), 0) is not None
    kept.park(tuple(range(2000, 2100)), 0, 100, lambda: bytearray(100))
    assert kept.saved(range(100)) and not kept.saved(range(1000, 1100)) and kept.saved(range(2000, 2100))
    assert kept.size_bytes == 200
    kept.park(tuple(range(5000, 5100)), 0, 100, lambda: bytearray(1000))
    assert kept.size_bytes <= 250 and not kept.saved(range(5000, 5100)), "what is larger than the bound is not kept"


def test_what_is_kept_already_is_not_copied_again() -> None:
    kept, copies = Parking(10_000, None, 0), []

    def state() -> bytearray:
        copies.append(1)
        return bytearray(100)

    for length in (100, 100, 110, 200):
        kept.park(tuple(range(length)), 0, length, state)
    assert len(copies) == 2 and kept.size_bytes == 100, "a longer one takes the place of what it continues"
    kept.park(tuple(range(300)), 0, 50, state)
    kept.park(tuple(range(300)), 0, 300, state)
    assert len(copies) == 4 and kept.saved(range(300), exact=True) == 299


def test_a_head_stays_beside_what_continues_it(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "model", 1 << 20)
    kept = Parking(10_000, store, 0)
    kept.park(tuple(range(100)), 0, 100, lambda: bytearray(100), is_head=True)
    kept.park(tuple(range(300)), 0, 300, lambda: bytearray(300))
    found = kept.best([*range(100), 7, 8, 9], 0)
    assert found is not None and found.is_head and len(found.data) == 100
    kept.save([])
    again = Parking(10_000, SnapshotStore(tmp_path, "model", 1 << 20), 0)
    found = again.best([*range(100), 7, 8, 9], 0)
    assert found is not None and found.is_head
    whole = again.best(range(300), 0)
    assert whole is not None and not whole.is_head


def test_what_has_no_room_in_memory_goes_to_disk(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "model", 1 << 20)
    kept = Parking(150, store, 0)
    for start in (0, 1000):
        kept.park(tuple(range(start, start + 100)), 0, 100, lambda: bytearray(100))
    kept.save([])
    assert {each.ids[0] for each in store.all} == {0, 1000}
    assert kept.best(range(100), 0) is not None


def test_the_text_that_was_used_least_recently_is_given_up() -> None:
    """Both slots begin with the same ids as every prompt: that is no reason to give up the latest."""
    kv = KVCache(FakeContext(n_cells=2000, window=0), 2000, 0)
    older, latest, other = ((1, 2, *range(start, start + 400)) for start in (1000, 2000, 3000))
    for ids in (older, latest):
        slot = kv.acquire(ids).slot
        slot.appended(ids[len(slot.ids) :])
    kv.acquire(other)
    assert kv.reusable(latest) == len(latest) - 1
    assert kv.reusable(older) <= 2
