"""Pieces cover a file, in order, each within its limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from localcoder.code.languages import by_name
from localcoder.code.outline import outline
from localcoder.repository.pieces import cut


def test_a_piece_begins_with_a_definition() -> None:
    body = "".join(f"    x{number} = {number}\n" for number in range(9))
    text = "import os\n\n\n" + "".join(f"def f{number}():\n{body}" for number in range(3))
    pieces = cut(text, outline(text, by_name("python")).definitions)
    assert [(each.line, each.end_line) for each in pieces] == [(1, 13), (14, 23), (24, 33)]
    assert pieces[1].text.startswith("def f1():\n") and pieces[1].text.endswith("x8 = 8")


@given(st.text(alphabet=st.sampled_from("ab \n\t\rä"), max_size=3000), st.integers(1, 40))
def test_pieces_cover_all_lines_that_say_something(text: str, repeat: int) -> None:
    text = text * repeat
    lines = text.split("\n")
    pieces = cut(text)
    covered: set[int] = set()
    for each in pieces:
        own = range(each.line, each.end_line + 1)
        assert len(own) <= 24 and not covered & {*own}
        assert each.text == "\n".join(line.rstrip()[:400] for line in lines[each.line - 1 : each.end_line])
        covered |= {*own}
    assert all(number in covered or not line.strip() for number, line in enumerate(lines, 1))
    assert list(pieces) == sorted(pieces, key=lambda each: each.line)
