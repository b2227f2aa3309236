import pytest

from localcoder.completion.document import Document
from localcoder.completion.edits import Edit, Range


@pytest.mark.parametrize(("start", "end", "wanted"), [(0, 0, "Xabc"), (1, 2, "aXc"), (3, 3, "abcX"), (0, 3, "X")])
def test_an_edit_takes_the_place_of_its_range(start: int, end: int, wanted: str) -> None:
    assert Edit(Range(start, end), "X").applied_to("abc") == wanted


@pytest.mark.parametrize(("start", "end"), [(-1, 0), (2, 1)])
def test_a_range_has_an_order(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        Range(start, end)


def test_a_completion_is_an_edit_at_the_cursor() -> None:
    document = Document("f()", 2)
    assert Edit(Range(document.cursor, document.cursor), "x").applied_to(document.text) == "f(x)"
