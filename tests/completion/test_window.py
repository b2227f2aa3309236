from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from localcoder.completion.alignment import align
from localcoder.completion.document import Document
from localcoder.completion.window import Window, choose_window, move_between, move_window, shows_enough

LINES = "".join(f"line {i} of the text\n" for i in range(1000))


def at_line(number: int) -> Document:
    return Document(LINES, sum(len(line) for line in LINES.splitlines(True)[:number]))


def test_a_small_text_goes_in_whole() -> None:
    window = choose_window(Document("ab", 1), 100)
    assert (window.prefix, window.suffix, window.left_out_before, window.left_out_after) == ("a", "b", 0, 0)


def test_typing_moves_the_beginning_once_a_step_at_most() -> None:
    starts = set()
    document = at_line(500)
    for i in range(200):
        text = document.prefix + "x" * i + document.suffix
        starts.add(choose_window(Document(text, document.cursor + i), 6000).left_out_before)
    assert len(starts) <= 2


def test_the_beginning_moves_in_steps_of_lines() -> None:
    starts = {choose_window(at_line(n), 6000).left_out_before for n in range(400, 432)}
    assert len(starts) == 2
    for start in starts:
        assert LINES[:start].count("\n") % 32 == 0


def test_a_small_window_wastes_little() -> None:
    for budget in (100, 200, 400, 800):
        for line in range(480, 520):
            window = choose_window(at_line(line), budget)
            assert len(window.prefix) >= 0.75 * 0.75 * budget - 20


def test_the_suffix_ends_with_a_line_and_takes_what_the_prefix_leaves() -> None:
    window = choose_window(at_line(0), 1000)
    assert window.prefix == "" and 900 < len(window.suffix) <= 1000 and window.suffix.endswith("\n")


@given(st.text("ab \n", max_size=400), st.data(), st.integers(1, 300))
def test_window_is_what_surrounds_the_cursor(text: str, data: st.DataObject, budget: int) -> None:
    document = Document(text, data.draw(st.integers(0, len(text))))
    window = choose_window(document, budget)
    assert len(window.prefix) + len(window.suffix) <= budget
    assert document.prefix == text[: window.left_out_before] + window.prefix
    assert document.suffix[: len(window.suffix)] == window.suffix
    assert window.left_out_after == len(document.suffix) - len(window.suffix)


def test_the_suffix_is_cut_inside_a_line_that_is_longer_than_the_budget() -> None:
    window = choose_window(Document("x = 1\n" + "0" * 5000, 5), 400)
    assert window.suffix == "\n" + "0" * 394


def follow(
    window: Window, old: Document, new: Document, *, unsent: str = "", slides: bool = False, keeps: bool = True
) -> Window | None:
    return move_window(window, move_between(old, new, unsent=unsent, slides=slides, keeps=keeps))


def test_a_cursor_that_moves_within_a_window_keeps_its_text() -> None:
    window = choose_window(at_line(500), 6000)
    for line in (495, 505):
        document = at_line(line)
        moved = follow(window, at_line(500), document)
        assert moved is not None
        assert moved.prefix + moved.suffix == window.prefix + window.suffix
        assert document.prefix.endswith(moved.prefix) and document.suffix.startswith(moved.suffix)
        assert moved.left_out_before == window.left_out_before and moved.anchor == len(moved.prefix)
        assert moved.left_out_after == len(document.suffix) - len(moved.suffix)


def test_a_cursor_near_the_end_of_a_window_needs_a_new_one() -> None:
    window = choose_window(at_line(500), 6000)
    assert follow(window, at_line(500), at_line(700)) is None
    for line, enough in ((505, True), (560, False), (390, False)):
        moved = follow(window, at_line(500), at_line(line))
        assert moved is not None and shows_enough(moved, at_line(line), 6000) is enough


def test_typing_elsewhere_moves_the_window_with_it() -> None:
    window = choose_window(at_line(500), 6000)
    document = at_line(503)
    typed = Document(document.prefix + "typed\n" + document.suffix, document.cursor + 6)
    moved = follow(window, at_line(500), typed)
    assert moved is not None and moved.prefix.endswith("line 502 of the text\ntyped\n")
    assert len(moved.prefix) + len(moved.suffix) == len(window.prefix) + len(window.suffix) + 6


def test_what_was_deleted_or_pasted_in_a_window_is_not_or_is_in_it() -> None:
    window = choose_window(at_line(500), 6000)
    cut = "".join(f"line {i} of the text\n" for i in range(480, 490))
    gone = LINES.replace(cut, "")
    moved = follow(window, at_line(500), Document(gone, gone.index("line 500")))
    assert moved is not None and "line 480 " not in moved.prefix and moved.prefix in gone
    assert len(moved.prefix) == len(window.prefix) - len(cut)
    pasted = LINES.replace(cut, "pasted\n" * 50)
    moved = follow(window, at_line(500), Document(pasted, pasted.index("line 500")))
    assert moved is not None and moved.prefix.count("pasted") == 50


def test_a_window_is_gone_with_the_line_at_which_it_begins() -> None:
    window = choose_window(at_line(500), 6000)
    begin = window.left_out_before
    gone = LINES[: begin - 30] + LINES[begin + 30 :]
    assert follow(window, at_line(500), Document(gone, gone.index("line 500"))) is None


def test_typing_into_a_row_of_equal_characters_changes_nothing_behind_the_cursor() -> None:
    document = Document("x\n" * 3000, 3000)
    window = choose_window(document, 3000)
    typed = Document(document.prefix + "x\n" + document.suffix, document.cursor + 2)
    moved = follow(window, document, typed)
    assert moved == replace(window, prefix=window.prefix + "x\n")


def sent(text: str, cursor: int, before: int = 200, after: int = 60) -> Document:
    """As llama.vim does: some lines before the cursor and some after it."""
    prefix = "".join(text[:cursor].splitlines(True)[-before:])
    return Document(prefix + "".join(text[cursor:].splitlines(True)[:after]), len(prefix))


def test_a_client_that_slides_its_window_keeps_the_lines_that_it_dropped_while_typing() -> None:
    text, cursor = LINES, at_line(500).cursor
    document = sent(text, cursor)
    first = window = choose_window(document, 8000)
    typed = ""
    for line in ("def added():\n", "    return 1\n", "\n"):
        typed += line
        old, document = document, sent(text[:cursor] + typed + text[cursor:], cursor + len(typed))
        assert not document.text.startswith(first.prefix[:200])
        moved = follow(window, old, document, unsent=window.unsent, slides=True)
        assert moved is not None and moved.suffix == first.suffix
        window = moved
        assert window.prefix == first.prefix + typed
        assert window.prefix == window.unsent + document.prefix and window.left_out_before == -len(window.unsent)


def test_a_client_that_sends_fewer_lines_has_deleted_them() -> None:
    """The first lines of the text are gone, and some were typed since: the window has no right to them."""
    text, cursor = LINES, at_line(150).cursor
    window = choose_window(sent(text, cursor), 8000)
    cut = at_line(4).cursor
    for typed in ("", "typed\n" * 3, "typed\n" * 5):
        document = sent(text[cut:cursor] + typed + text[cursor:], cursor - cut + len(typed))
        assert follow(window, sent(text, cursor), document, slides=True) is None


def test_what_a_client_drops_is_not_kept_when_something_else_may_have_happened() -> None:
    text, cursor = LINES, at_line(500).cursor
    old, window = sent(text, cursor), choose_window(sent(text, cursor), 8000)
    slid = sent(text[:cursor] + "typed\n" + text[cursor:], cursor + 6)
    assert follow(window, old, slid, slides=True) is not None
    assert follow(window, old, slid, slides=True, keeps=False) is None
    not_slid = follow(window, old, slid, slides=False)
    assert not_slid is not None and not_slid.unsent == ""
    pasted = sent(text[:cursor] + "pasted\n" * 170 + text[cursor:], cursor + 7 * 170)
    assert follow(window, old, pasted, slides=True) is None
    repeated = "".join(f"line {i % 10}\n" for i in range(1000))
    twice, its_window = sent(repeated, 3500), choose_window(sent(repeated, 3500), 8000)
    typed = sent(repeated[:3500] + "typed\n" + repeated[3500:], 3506)
    assert follow(its_window, twice, typed, slides=True) is None
    other = sent(text[: cursor + 20] + "typed\n" + text[cursor + 20 :], cursor + 26)
    assert follow(window, old, other, slides=True) is None


def test_a_client_that_sends_all_and_moved_while_lines_were_deleted_keeps_none_of_them() -> None:
    text, cursor = "".join(LINES.splitlines(True)[:100]), at_line(50).cursor
    old, window = Document(text, cursor), choose_window(Document(text, cursor), 8000)
    for line in (47, 49, 50, 51, 53):
        without_first = Document(text[at_line(3).cursor :], at_line(line).cursor - at_line(3).cursor)
        without_last = Document(text[: at_line(97).cursor], at_line(line).cursor)
        for new in (without_first, without_last):
            moved = follow(window, old, new, slides=True)
            assert moved is None or moved.prefix + moved.suffix in new.text


texts = st.text("ab\n", max_size=60)


@given(texts, texts, texts, texts, st.data(), st.booleans())
def test_what_is_aligned_is_the_same(
    before: str, old_middle: str, new_middle: str, after: str, data: st.DataObject, slides: bool
) -> None:
    old, new = before + old_middle + after, before + new_middle + after
    found = align(old, new, data.draw(st.integers(0, len(new))), slides=slides)
    assert found.added >= 0 and found.removed >= 0
    assert found.before + found.after >= min(len(before) + len(after), len(old), len(new))
    assert old[found.old_start :][: found.before] == new[found.new_start :][: found.before]
    assert old[found.old_end - found.after : found.old_end] == new[found.new_end - found.after : found.new_end]


@given(st.text("ab \n", max_size=300), st.text("ab \n", max_size=300), st.data(), st.integers(1, 200), st.booleans())
def test_a_window_that_moved_is_what_surrounds_the_cursor(
    one: str, other: str, data: st.DataObject, budget: int, slides: bool
) -> None:
    shared = data.draw(st.integers(0, len(one)))
    text = one[:shared] + other
    old = Document(one, data.draw(st.integers(0, len(one))))
    new = Document(text, data.draw(st.integers(0, len(text))))
    moved = follow(choose_window(old, budget), old, new, slides=slides)
    if moved is not None:
        assert new.prefix == text[: moved.left_out_before] + moved.prefix
        assert new.suffix == moved.suffix + text[len(text) - moved.left_out_after :]
