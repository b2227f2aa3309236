from __future__ import annotations

from pathlib import Path

import pytest

from localcoder.completion.document import Document
from localcoder.completion.ending import End, Ending, end_of


def filled(text: str, *, before: str = "", behind: str = "", ended: bool = False) -> End:
    place = Document(before + behind, len(before), Path("a.py"))
    return end_of(place, list(text), ended=ended)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[" + "6, " * 30, "[6,"),
        ("# " + "the amount of " * 12, "# the amount of"),
        ("x = " + "a.b(" * 20, "x = a.b("),
        ("say(" + "'a' + " * 20, "say('a' +"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_a_loop_within_a_line_is_cut_at_its_first_full_repeat(text: str, shown: str, size: int) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    ending, so_far = Ending(Document("", 0, Path("a.py")), "free"), ""
    for piece in pieces:
        so_far += ending.feed(piece)
        if ending.reason is not None:
            break
    end = ending.finish(ended=False)
    assert (end.reason, end.text) == ("loop", shown)
    assert shown.startswith(so_far)


def test_a_loop_that_was_begun_is_cut_where_the_text_is_broken_off() -> None:
    assert filled("[6, 6, 6, 6").text == "[6,"
    assert filled("[6, 6, 6, 6", ended=True).text == "[6, 6, 6, 6", "the model ended it"


@pytest.mark.parametrize(
    "text",
    [
        "x = [None, None, None, None, None]\ny = 1",
        "# " + "-" * 76 + "\nx = 1",
        "a = ((((((((1))))))))",
        'f("%s %s %s %s %s %s" % row)',
        "d = {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 0, 8: 0, 9: 0}",
        "open('../../../../data')",
    ],
)
def test_what_people_repeat_is_no_loop(text: str) -> None:
    assert filled(text, ended=True).text == text


def test_as_many_rounds_as_the_file_has_are_no_loop() -> None:
    row = "    [" + "0, " * 11 + "0],\n"
    text = "    [" + "1, " * 11 + "1],"
    assert filled(text, before=f"x = [\n{row}", behind="\n]\n", ended=True).text == text
    looped = filled("    [" + "1, " * 40, before=f"x = [\n{row}", behind="\n]\n")
    assert (looped.reason, looped.text.count("1,")) == ("loop", 11)


def test_what_is_held_comes_when_the_line_goes_on_otherwise() -> None:
    ending = Ending(Document("", 0, Path("a.py")), "free")
    assert ending.feed("f(a, b, a, ") == "f(a, b,"
    assert ending.feed("c, d") == " a, c, d"
