"""Where generated text ends. `|` is the cursor in the code of the cases."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.completion.document import Document
from localcoder.completion.ending import MODES, Ending, Mode, end_of


def document(code: str, name: str | None = "sample.py") -> Document:
    before, after = code.split("|")
    return Document(before + after, len(before), Path(name) if name else None)


def shown(code: str, text: str, name: str | None = "sample.py", *, ended: bool = True, mode: Mode = "block") -> str:
    """The text fed a character at a time, as the worst of tokens come, and whole: both have to give the same."""
    end = end_of(document(code, name), list(text), ended=ended, mode=mode)
    assert end_of(document(code, name), [text], ended=ended, mode=mode).text == end.text
    return end.text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "code", "text", "wanted"),
    [
        ("a.py", "print(|)\n", "len(x)", "len(x)"),
        ("a.py", "print(|)\n", "len(x))", "len(x)"),
        ("a.py", "x = [|]\n", "f(1), (2)", "f(1), (2)"),
        ("a.py", "x = {|}\n", '"a": f(1)}', '"a": f(1)'),
        ("a.py", "x = [|]\ny = 1\n", "1, 2]\ny = 1\n", "1, 2"),
        ("a.py", "f(|)\n", '")"', '")"'),
        ("a.py", "f(|)\n", '")")', '")"'),
        ("a.py", "f(|)  # (\n", "x)  # (\n", "x"),
        ("a.py", 'x = "|"\n', "a)", "a)"),
        ("a.js", "foo(|);\n", "a, (b));", "a, (b)"),
        ("a.js", "const f = () => {|};\n", " return 1; };", " return 1; "),
        ("a.c", "int a = f(|);\n", "'(');", "'('"),
        ("a.sh", "echo $(|)\n", "date)", "date"),
        ("a.R", "f(|)\n", "g(x))", "g(x)"),
        ("a.txt", "see (|) there\n", "it's (here)", "it's (here)"),
        ("a.py", "x = 1\r\nprint(|)\r\ny = 2\r\n", "x)\r\ny = 2\r\n", "x"),
    ],
)
def test_pairs_that_the_editor_closed(mode: Mode, name: str, code: str, text: str, wanted: str) -> None:
    assert shown(code, text, name, mode=mode) == wanted


@pytest.mark.parametrize(
    ("name", "code", "text", "wanted"),
    [
        ("a.py", "f(|)\n", "\n    a,\n    b,\n)\nc = 1\n", "\n    a,\n    b,\n"),
        ("a.py", "f(|)\n", "\n    a,\n    b,\n", "\n    a,\n    b,\n"),
        (
            "a.js",
            "it('x', () => {|});\n",
            "\n  a({\n    b: 1,\n  });\n  c();\n});\n",
            "\n  a({\n    b: 1,\n  });\n  c();\n",
        ),
        ("a.c", "void f() {|}\n", "\n  a();\n}\n\nvoid g() {\n", "\n  a();\n"),
        ("a.py", "x = [|]\n", "\n    (1, 2),\n    (3, 4),\n]\n", "\n    (1, 2),\n    (3, 4),\n"),
    ],
)
def test_pairs_over_several_lines(name: str, code: str, text: str, wanted: str) -> None:
    for mode in ("block", "free"):
        assert shown(code, text, name, mode=mode, ended=False).rstrip() == wanted.rstrip()
    assert shown(code, text, name, mode="line").rstrip() == wanted[: wanted.index("\n", 1)].rstrip()


@pytest.mark.parametrize(
    ("name", "code", "middle"),
    [
        ("a.sh", 'case "$1" in\n  |\nesac\n', "start) run ;;\n  stop)\n    halt ;;"),
        ("a.sh", "cat <<END\n|\nEND\n", "one (\n\ntwo }\n  three"),
        ("a.py", "class A:\n    |\n\nx = 1\n", "@property\n    def a(self):\n        return 1"),
        ("a.py", "if a:|\nd = 1\n", "\n    b()\nelse:\n    c()"),
        ("a.py", "if a:|\nd = 1\n", "\n    b()\n\nelse:\n    c()"),
        ("a.py", "try:|\nd = 1\n", "\n    b()\nexcept OSError:\n    c()\nfinally:\n    e()"),
        ("a.py", "match a:|\n\nd = 1\n", "\n    case 1:\n        b()\n\n    case _:\n        c()"),
        ("a.py", "def f():\n    |\n", '"""One.\n\n    Two (.\n\nThree\n    """\n    return 1'),
        ("a.py", "def f():\n    x = |\n    return x\n", '"""One.\n\nTwo )\n"""'),
        (
            "a.py",
            "def f(a):\n    if a:\n        |\n    return None\n",
            "if b:\n            return None\n        return None",
        ),
        ("a.c", "void f(void)\n{\n|\n}\n", "#ifdef X\n    a();\n#else\n    b();\n#endif\n    c();"),
        ("a.c", "void f(void)\n{\n    |\n}\n", "if (a)\n        goto out;\n    b();\nout:\n    c();"),
        ("a.cpp", "class A {|\n};\n", "\npublic:\n  A();\n\nprivate:\n  int a;"),
        ("a.cpp", "  switch (a) {\n    |\n  }\n", "case 1:\n      b();\n      break;\n    case 2:\n      break;"),
        ("a.rb", "class A\n  |\nend\n", "def a\n    b do\n      c\n    end\n  end"),
        ("a.lua", "function f()\n  |\nend\n", "if a then\n    b()\n  end"),
        ("a.lua", "function f()\n    |\nend\n", "a()\n   return b"),
        ("a.html", "<div>\n  |\n</div>\n", "<div>\n    <p>x</p>\n  </div>"),
        ("a.md", "# A\n\n```python\n|\n```\n\nText\n", "x = (\n\n\ny"),
        ("a.yaml", "a:\n  - b: 1\n    c:\n|\nd: 2\n", "      - x\n      - y: z\n\n        w: 1"),
        ("a.go", "func f() {\n\tif a {\n\t\t|\n\t}\n}\n", "b()\n\t} else {\n\t\tc()"),
        ("a.py", "x = [\n    |\n]\n", "(0, 0, 0),\n    " * 11 + "(0, 0, 0),"),
        ("a.txt", "Dear all,\n|\n", "it's (a smiley :) and more.\n\nBye"),
        ("a.txt", "Dear all,\n|\n\nMe\n", "one more :) and (two) :("),
        ("a.md", "1) a\n|\n3) c\n", "2) b"),
        ("Dockerfile", "RUN |\nUSER a\n", 'case "$A" in a) b ;; esac'),
        ("a.md", "Text\n\n|\n\nMore\n", "```sh\nls\n```"),
        ("a.md", "```sh\n|\n\nMore\n", "ls\n```"),
    ],
)
def test_a_model_that_says_what_is_missing_and_ends_is_shown_whole(name: str, code: str, middle: str) -> None:
    for mode in ("block", "free"):
        assert shown(code, middle, name, mode=mode) == middle


@pytest.mark.parametrize(
    ("name", "code", "text", "wanted"),
    [
        ("a.c", "void f() {\n    |\n}\n\nvoid g() {}\n", "a();\n}\n\nvoid h() {\n", "a();"),
        ("a.c", "void f() {\n    |\n\nvoid g() {}\n", "a();\n}\n\nvoid h() {\n    b();\n", "a();\n}"),
        ("a.go", "func f() {\n\t|\n}\n\nfunc g() {\n}\n", "a()\n}\n\nfunc h() {\n", "a()"),
        ("a.rs", "fn f() {\n    |\n}\n\nfn g() {}\n", "a();\n}\n\nfn h() {\n", "a();"),
        ("a.rb", "def f\n  |\nend\n\ndef g\nend\n", "a\nend\n\ndef h\n", "a"),
        ("a.rb", "def f\n  |\n\ndef g\nend\n", "a\nend\n\ndef h\n  b\n", "a\nend"),
        ("a.sh", "for a in b; do\n  |\ndone\necho x\n", "c\ndone\necho y\n", "c"),
        ("a.go", "func f() {\n\ta()\n|\n", "}\n", "}"),
        ("a.go", "func f() {\n\ta()\n|", "}\n", "}\n"),
        ("a.go", "func f() {\n\tif x {\n|\t}\n}\n", "\t\ta()\n\t}\n\tb()\n", "\t\ta()\n"),
        ("a.go", "func f() {\n|\ta()\n}\n", "\tb()\n\ta()\n}\n", "\tb()\n"),
        ("a.go", "func f() {|}\n", "\n\ta()\n}\n\nfunc g() {\n", "\n\ta()\n"),
        ("a.go", "\tif a {|}\n", "\n\t\tb()\n\t}\n\tc()\n\td()\n", "\n\t\tb()\n\t"),
        ("a.sh", "f() {\n  |\n}\necho x\n", "a\n}\n\ng() {\n  b\n}\n", "a"),
        ("a.sh", "f() {\n  |\n\necho x\n", "a\n}\n\ng() {\n  b\n}\n\nh() {\n  c\n}\nd\n", "a\n}"),
        ("a.lua", "function f()\n  |\nend\nprint(1)\n", "a()\nend\nfunction g()\n", "a()"),
        ("a.html", "<div>\n  |\n</div>\n", "<p>x</p>\n</div>\n<div>\n", "<p>x</p>"),
        ("a.py", "def f():\n    |\n\n\ndef g():\n    pass\n", "return 1\n\n\ndef h():\n    pass\n", "return 1"),
        ("a.py", "def f():\n|\n", "    return 1\n\n\ndef h():\n    pass\n", "    return 1"),
        ("a.py", "def f():|\n", "\n    return 1\n\n\ndef h():\n    pass\n", "\n    return 1"),
        ("a.py", "x = |\ny = 2\nz = 3\nw = 44444444444444444444444444\n", "1\ny = 2\nz = 3\nw = 4444444", "1"),
        ("a.py", 'def f():\n    """Say.\n\n    |\n    """\n    return 1\n', 'More.\n    """\n    return 1\n', "More."),
        ("a.md", "```python\n|\n```\n\nText\n", "x = 1\n```\n\nText\n", "x = 1"),
    ],
)
def test_a_model_that_runs_on_is_cut_at_the_end_of_the_block(name: str, code: str, text: str, wanted: str) -> None:
    assert shown(code, text, name, ended=False) == wanted


@pytest.mark.parametrize("line", ["return None", "end", "done", "</div>", "break;"])
def test_a_line_that_the_suffix_has_at_another_depth_is_not_a_repetition(line: str) -> None:
    code, text = f"if a {{\n        |\n{line}\n", f"b\n            {line}\n        c"
    assert shown(code, text, "a.txt") == text


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("said", ["\n", "\r\n"])
@pytest.mark.parametrize("mode", MODES)
def test_line_ends_are_those_of_the_file(newline: str, said: str, mode: Mode) -> None:
    code = "def f():\n    |\n\n\ndef g():\n    pass\n".replace("\n", newline)
    text = shown(code, "a = 1\n    return a\n\n\ndef g():\n    pass\n".replace("\n", said), mode=mode, ended=False)
    assert text == ("a = 1" if mode == "line" else f"a = 1{newline}    return a")


def test_no_return_is_left_over() -> None:
    for mode in MODES:
        for newline in ("\n", "\r\n"):
            text = shown(f"x = |{newline}y = 2{newline}", "1\r", mode=mode)
            assert text == "1"


def test_line_mode_puts_a_new_line_above_the_code_behind_the_cursor() -> None:
    assert shown("def f():\n    |return 1\n", "a = 2\n    return 1\n", mode="line") == "a = 2\n    "


@pytest.mark.parametrize("unit", ["    x = 1\n", "a\nb\n", "a\n\nb\n"])
def test_a_loop_ends_and_keeps_two_of_its_rounds(unit: str) -> None:
    end = end_of(Document("", 0, Path("a.txt")), list(unit * 20), ended=False, mode="free")
    assert (end.reason, end.text + "\n") == ("loop", unit * 2)


def test_rows_that_the_file_repeats_itself_are_no_loop() -> None:
    rows = "    0, 0, 0,\n" * 9
    text = "    0, 0, 0,\n" * 8 + "    1, 1, 1,"
    assert shown(f"x = [\n{rows}    1,\n|\n]\n", text, ended=False) == text


def test_an_empty_document_and_an_empty_text() -> None:
    for mode in MODES:
        assert end_of(Document("", 0), [], ended=True, mode=mode).text == ""
        assert end_of(Document("", 0), ["\n", " "], ended=False, mode=mode).text.strip() == ""


CODE = st.lists(
    st.sampled_from(["f(", ")", "{", "}", "\n", "    ", "x", " = ", '"', "'''", "return", ":", "#", "é", "\r\n"])
)


@given(CODE, CODE, CODE, st.sampled_from(MODES), st.booleans(), st.sampled_from(["a.py", "a.js", "a.R", "a.md", None]))
def test_what_was_shown_stays(
    before: list[str], text: list[str], after: list[str], mode: Mode, ended: bool, name: str | None
) -> None:
    """For any code: what `feed` returned is the beginning of the end, and with what is left all of it."""
    prefix = "".join(before)
    place = Document(prefix + "".join(after), len(prefix), Path(name) if name else None)
    ending, so_far = Ending(place, mode), ""
    for piece in text:
        so_far += ending.feed(piece)
        if ending.reason is not None:
            break
    end = ending.finish(ended=ended)
    assert so_far + ending.rest(end) == end.text
    if "\r" not in place.text:
        assert "\r" not in end.text
