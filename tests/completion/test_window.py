from hypothesis import given
from hypothesis import strategies as st

from localcoder.completion.document import Document
from localcoder.completion.window import choose_window, move_window

LINES = "".join(f"line {i} of the text\n" for i in range(1000))


def at_line(number):
    return Document(LINES, sum(len(line) for line in LINES.splitlines(True)[:number]))


def test_a_small_text_goes_in_whole():
    window = choose_window(Document("ab", 1), 100)
    assert (window.prefix, window.suffix, window.left_out_before, window.left_out_after) == ("a", "b", 0, 0)


def test_typing_moves_the_beginning_once_a_step_at_most():
    starts = set()
    document = at_line(500)
    for i in range(200):
        text = document.prefix + "x" * i + document.suffix
        starts.add(choose_window(Document(text, document.cursor + i), 6000).left_out_before)
    assert len(starts) <= 2


def test_the_beginning_moves_in_steps_of_lines():
    starts = {choose_window(at_line(n), 6000).left_out_before for n in range(400, 432)}
    assert len(starts) == 2
    for start in starts:
        assert LINES[:start].count("\n") % 32 == 0


def test_a_small_window_wastes_little():
    for budget in (100, 200, 400, 800):
        for line in range(480, 520):
            window = choose_window(at_line(line), budget)
            assert len(window.prefix) >= 0.75 * 0.75 * budget - 20


def test_the_suffix_ends_with_a_line_and_takes_what_the_prefix_leaves():
    window = choose_window(at_line(0), 1000)
    assert window.prefix == "" and 900 < len(window.suffix) <= 1000 and window.suffix.endswith("\n")


@given(st.text("ab \n", max_size=400), st.data(), st.integers(1, 300))
def test_window_is_what_surrounds_the_cursor(text, data, budget):
    document = Document(text, data.draw(st.integers(0, len(text))))
    window = choose_window(document, budget)
    assert len(window.prefix) + len(window.suffix) <= budget
    assert document.prefix == text[: window.left_out_before] + window.prefix
    assert document.suffix[: len(window.suffix)] == window.suffix
    assert window.left_out_after == len(document.suffix) - len(window.suffix)


def test_a_cursor_that_moves_within_a_window_keeps_its_text():
    window = choose_window(at_line(500), 6000)
    for line in (495, 505):
        document = at_line(line)
        moved = move_window(window, document)
        assert moved is not None
        assert moved.prefix + moved.suffix == window.prefix + window.suffix
        assert document.prefix.endswith(moved.prefix) and document.suffix.startswith(moved.suffix)
        assert moved.left_out_before == window.left_out_before and moved.anchor == len(moved.prefix)
        assert moved.left_out_after == len(document.suffix) - len(moved.suffix)


def test_a_cursor_near_the_end_of_a_window_gets_a_new_one():
    window = choose_window(at_line(500), 6000)
    assert move_window(window, at_line(575)) is None
    assert move_window(window, at_line(300)) is None


def test_a_client_that_sends_a_window_of_its_own_moves_it():
    """As llama.vim does: some lines before the cursor and some after it."""

    def sent(line):
        lines = LINES.splitlines(True)
        prefix, suffix = "".join(lines[line - 200 : line]), "".join(lines[line : line + 60])
        return Document(prefix + suffix, len(prefix))

    window = choose_window(sent(500), 8000)
    for line in (503, 497, 505):
        moved = move_window(window, sent(line), slides=True)
        assert moved is not None
        assert moved.prefix + moved.suffix == window.prefix + window.suffix
        assert sent(line).prefix.endswith(moved.prefix[-1000:]) and moved.suffix.startswith(sent(line).suffix[:400])
        window = moved


def test_typing_elsewhere_moves_the_window_with_it():
    window = choose_window(at_line(500), 6000)
    document = at_line(503)
    typed = Document(document.prefix + "typed\n" + document.suffix, document.cursor + 6)
    moved = move_window(window, typed)
    assert moved is not None and moved.prefix.endswith("line 502 of the text\ntyped\n")
    assert len(moved.prefix) + len(moved.suffix) == len(window.prefix) + len(window.suffix) + 6
