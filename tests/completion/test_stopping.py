import pytest

from localcoder.completion.stopping import Stopper


def run(mode, prefix, text, suffix=""):
    """Feed the text a character at a time, as the worst of tokens come; returns (reason, what is kept)."""
    stopper = Stopper(mode, prefix, suffix)
    for end in range(1, len(text) + 1):
        if stopper.feed(text[:end]):
            return stopper.reason, text[: stopper.cut]
    return None, text


@pytest.mark.parametrize(
    ("mode", "prefix", "text", "suffix", "reason", "kept"),
    [
        ("line", "x = ", "1\ny = 2", "", "line", "1"),
        ("line", "def f():\n", "    return 1\nx", "", "line", "    return 1"),
        ("line", "", "\n\nimport os\nx", "", "line", "\n\nimport os"),
        ("free", "x = ", "1\ny = 2\n\n\nz = 3", "", None, "1\ny = 2\n\n\nz = 3"),
        ("block", "def f():\n    ", "a\n    b\nc", "", "block", "a\n    b"),
        ("block", "def f():", "\n    a\n\n    b\n\nc = 1", "", "block", "\n    a\n\n    b"),
        ("block", "x = ", "[\n    1,\n]\n\ny", "", "block", "[\n    1,\n]"),
        ("block", "x = ", "[\n    1,\n]\ny = 2\n", "", None, "[\n    1,\n]\ny = 2\n"),
        ("block", "if (a) {\n    ", "b();\n}\nc", "", "block", "b();"),
        ("block", "f(a, ", "b)\nc", ")\n", "line", "b)"),
        ("block", "f(", "\n  a\n)\n)", "", "bracket", "\n  a\n"),
        ("block", "\tif x:\n\t\t", "y\n\tz", "", "block", "y"),
    ],
)
def test_where_a_completion_ends(mode, prefix, text, suffix, reason, kept):
    assert run(mode, prefix, text, suffix) == (reason, kept)


@pytest.mark.parametrize("unit", ["    x = 1\n", "a\nb\n", "a\n\nb\n"])
def test_a_loop_ends_and_keeps_two_of_its_rounds(unit):
    reason, kept = run("free", "", unit * 10)
    assert (reason, kept + "\n") == ("loop", unit * 2)


def test_what_is_sure_never_shrinks():
    text = "x\n" + "a\nb\n" * 3 + "c\n" + "d\n" * 9
    stopper, sure = Stopper("free", "", ""), ""
    for end in range(1, len(text) + 1):
        over = stopper.feed(text[:end])
        now = text[: stopper.cut] if over else text[: stopper.sure]
        assert now.startswith(sure)
        sure = now
        if over:
            break
    assert stopper.reason == "loop"
