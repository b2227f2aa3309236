from __future__ import annotations

from rich.text import Text

from localcoder.tui.text.ghost import Ghost, ghost_rows


def rows(before: str, ghost: str, after: str, *, width: int = 0, wrap: tuple[int, ...] = ()) -> list[str]:
    made = ghost_rows(
        Text(before),
        [Text(line) for line in ghost.split("\n")],
        Text(after),
        wrap_offsets=wrap,
        width=width,
        tab_width=4,
        cursor_style=None,
    )
    return [row.plain for row in made]


def test_one_line_in_the_middle_of_a_line() -> None:
    assert rows("f(", "a, b", ")") == ["f(a, b)"]


def test_the_rest_of_the_line_comes_after_the_last_line() -> None:
    assert rows("f(", "a,\n  b", ")") == ["f(a,", "  b)"]


def test_tabs_stop_where_they_would_in_the_text() -> None:
    assert rows("\ta", "\tb\n\tc", "\td") == ["    a   b", "    c   d"]


def test_wide_characters_are_never_cut_in_two() -> None:
    assert rows("ab", "世界世界", "c", width=5) == ["ab世", "界世", "界c"]


def test_rows_above_the_cursor_stay_where_they_were() -> None:
    assert rows("hello world ag", "ain and", " x", width=12, wrap=(6, 12)) == ["hello ", "world ", "again and x"]


def test_typing_eats_and_anything_else_ends() -> None:
    ghost = Ghost("ab\nc", (0, 0))
    eaten = ghost.eaten("ab", (0, 2))
    assert eaten == Ghost("\nc", (0, 2))
    assert ghost.eaten("x", (0, 1)) is None
    assert Ghost("a", (0, 0)).eaten("a", (0, 1)) is None
    assert Ghost("a", (0, 0), is_growing=True).eaten("a", (0, 1)) == Ghost("", (0, 1), is_growing=True)
