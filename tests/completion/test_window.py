from hypothesis import given
from hypothesis import strategies as st

from localcoder.completion.document import Document
from localcoder.completion.window import choose_window

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
