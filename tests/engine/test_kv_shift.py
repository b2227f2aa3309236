"""Cells that are kept when the cursor moves: which ones, and what is computed with them."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.completion.layout import fim_prompt
from localcoder.engine.api import Finished, Request, Token
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.kv_shift import find_shift
from localcoder.engine.prefill import READ_SLICE, Prefill
from localcoder.engine.sampler import log_probability
from localcoder.engine.wire import Load

CODE = '''class Shelf:
    """Books in the order in which they were put there."""

    def __init__(self):
        self.books = []

    def add(self, book):
        if book in self.books:
            raise ValueError(book)
        self.books.append(book)

    def find(self, title):
        for book in self.books:
            if book.title == title:
                return book
        return None

    def remove(self, title):
        book = self.find(title)
        if book is not None:
            self.books.remove(book)
        return book
'''
LINES = CODE.splitlines(True)


@pytest.fixture(scope="module")
def llama(demo_model: Path) -> Iterator[Context]:
    llama = Context(Load(str(demo_model), 2))
    yield llama
    llama.close()


@pytest.fixture(scope="module")
def fresh_llama(demo_model: Path) -> Iterator[Context]:
    """A context of its own: two generators on one would undo each other's cells."""
    llama = Context(Load(str(demo_model), 2))
    yield llama
    llama.close()


def prompt(llama: Context, line: int, typed: str = "") -> tuple[int, ...]:
    """The SPM prompt with the cursor at the beginning of a line."""
    prefix, suffix = "".join(LINES[:line]) + typed, "".join(LINES[line:])
    return fim_prompt("spm", llama.model.tokenize(prefix), llama.model.tokenize(suffix), llama.info.special, ())


def run(
    generator: Generator, ids: Sequence[int], is_cancelled: Callable[[], bool] = lambda: False
) -> tuple[list[int], int]:
    """(generated ids, tokens read)"""
    *events, finished = generator.generate(Request(tuple(ids), max_tokens=6), 0.0, is_cancelled)
    assert isinstance(finished, Finished)
    return [event.id for event in events if isinstance(event, Token)], finished.stats.tokens_read


ids = st.lists(st.integers(0, 3), max_size=12)


@given(ids, ids, ids, ids)
def test_what_a_shift_says_is_the_same_is_the_same(a: list[int], b: list[int], c: list[int], d: list[int]) -> None:
    old, new = [*a, 9, *b], [*c, 9, *d]
    shift = find_shift(old, new, 9)
    if shift is None:
        return
    shared = shift.end - shift.start
    assert old[shift.start : shift.end] == new[shift.to : shift.to + shared]
    assert old[: shift.head] == new[: shift.head]
    assert shift.head <= shift.start <= shift.end and shift.head <= shift.to
    assert shift.kept < len(new)


def test_a_prompt_without_a_middle_has_no_shift() -> None:
    assert find_shift([1, 2, 3], [1, 2, 4], 9) is None


@pytest.mark.parametrize(("before", "after"), [(10, 7), (7, 10), (12, 11), (11, 14)])
def test_a_cursor_that_moves_reads_the_lines_that_it_passed(llama: Context, before: int, after: int) -> None:
    generator = Generator(Prefill(llama))
    run(generator, prompt(llama, before))
    ids = prompt(llama, after)
    passed = len(llama.model.tokenize("".join(LINES[min(before, after) : max(before, after)])))
    _, read = run(generator, ids)
    assert 0 < read <= passed + 6 < 64 < len(ids) - read
    # And typing goes on from there.
    assert run(generator, prompt(llama, after, "    x"))[1] <= 4


def test_shifted_cells_are_nearly_what_a_fresh_context_computes(llama: Context, fresh_llama: Context) -> None:
    """The mean difference in log-likelihood of the line at the cursor, over moves of up to five lines."""
    rng = random.Random(1)
    differences = []
    for _ in range(30):
        before = rng.randint(5, 11)
        after = min(max(before + rng.choice([-4, -3, -2, -1, 1, 2, 3, 4]), 3), 14)
        if after == before:
            continue
        moved = Generator(Prefill(llama))
        run(moved, prompt(llama, before))
        ids = prompt(llama, after)
        middle = llama.model.tokenize(LINES[after - 1])[:4]
        values = []
        for context, generator in ((llama, moved), (fresh_llama, Generator(Prefill(fresh_llama)))):
            total = 0.0
            for i, token in enumerate(middle):
                list(generator.generate(Request((*ids, *middle[:i]), max_tokens=1), 0.0, lambda: False))
                total += log_probability(context.logits(), token)
            values.append(total / len(middle))
        differences.append(values[0] - values[1])
    assert len(differences) > 20
    assert abs(sum(differences) / len(differences)) < 0.1
    assert max(map(abs, differences)) > 0  # they were shifted, not read


def test_reading_ahead_makes_it_exact(llama: Context, fresh_llama: Context) -> None:
    generator, fresh = Generator(Prefill(llama)), Generator(Prefill(fresh_llama))
    run(generator, prompt(llama, 10))
    ids = prompt(llama, 7)
    run(generator, ids)
    assert generator.prefill.reusable(ids) == len(ids) - 1
    assert generator.prefill.reusable(ids, exact=True) < 64
    generator.prefill.warm(ids, lambda: False)
    assert generator.prefill.reusable(ids, exact=True) == len(ids) - 1
    longer = prompt(llama, 7, "    def ")
    output, read = run(generator, longer)
    assert read <= 6
    assert output == run(fresh, longer)[0]


def test_an_aborted_move_loses_nothing(llama: Context) -> None:
    generator = Generator(Prefill(llama))
    there, back = prompt(llama, 13), prompt(llama, 6)
    expected, _ = run(generator, there)
    middle = llama.info.special.fim_middle
    assert middle is not None
    shift = find_shift(there, back, middle)
    assert shift and shift.to - shift.head > READ_SLICE  # so that the third look comes in the middle of it
    looks = iter([False, False, True])
    assert run(generator, back, lambda: next(looks, True)) == ([], READ_SLICE)
    assert run(generator, there) == (expected, 1)
    assert run(generator, back)[1] <= shift.to - shift.head + 1


def test_moves_and_reading_ahead_in_turns_leave_both_slots_right(llama: Context, fresh_llama: Context) -> None:
    """Slots share cells, and shifting would move them in both."""
    generator, rng, line, same = Generator(Prefill(llama)), random.Random(2), 8, 0
    for _ in range(60):
        line = min(max(line + rng.randint(-3, 3), 2), 14)
        ids = prompt(llama, line, "    self"[: rng.randint(0, 8)])
        if rng.random() < 0.4:
            generator.prefill.warm(ids, lambda: False)
        run(generator, ids)
        for slot in generator.prefill.cache.slots:
            assert llama.seq_pos_max(slot.live) == len(slot.ids) - 1
        generator.prefill.warm(ids, lambda: False)
        assert generator.prefill.reusable(ids, exact=True) == len(ids) - 1
        held, _ = run(generator, ids)
        same += held == run(Generator(Prefill(fresh_llama)), ids)[0]
    assert same >= 0.95 * 60
