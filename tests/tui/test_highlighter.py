from __future__ import annotations

import random
from pathlib import Path

import pytest

from localcoder.code.languages import LANGUAGES, Language, by_name, language_of
from localcoder.tui.text.highlighter import Highlighter, load_grammar
from localcoder.tui.text.lines import LineDocument

SAMPLES = {
    "python": ("def", "# c", '"s"', "def f(): # c\n  return \"s\""),
    "javascript": ("function", "// c", '"s"', 'function f() { return "s" } // c'),
    "typescript": ("interface", "// c", '"s"', 'interface A { b: string } // c\nlet x = "s"'),
    "tsx": ("const", "// c", '"s"', 'const x = "s" // c'),
    "java": ("class", "// c", '"s"', 'class A { String s = "s"; } // c'),
    "c": ("return", "// c", '"s"', 'char *f(void) { return "s"; } // c'),
    "cpp": ("class", "// c", '"s"', 'class A {}; // c\nauto s = "s";'),
    "csharp": ("class", "// c", '"s"', 'class A { string s = "s"; } // c'),
    "go": ("func", "// c", '"s"', 'package m\nfunc f() string { return "s" } // c'),
    "rust": ("fn", "// c", '"s"', 'fn f() -> &str { "s" } // c'),
    "php": ("function", "// c", '"s"', '<?php function f() { return "s"; } // c'),
    "ruby": ("def", "# c", '"s"', 'def f\n  "s" # c\nend'),
    "kotlin": ("fun", "// c", '"s"', 'fun f(): String { return "s" } // c'),
    "swift": ("func", "// c", '"s"', 'func f() -> String { return "s" } // c'),
    "lua": ("function", "-- c", '"s"', 'function f() return "s" end -- c'),
    "sql": ("SELECT", "-- c", "'s'", "SELECT 's' FROM t; -- c"),
    "shell": ("if", "# c", '"s"', 'if true; then echo "s"; fi # c'),
    "html": (None, "<!-- c -->", '"s"', '<p class="s">x</p><!-- c -->'),
    "css": (None, "/* c */", '"s"', 'a { content: "s" } /* c */'),
    "json": (None, None, '"s"', '["s", 1]'),
    "yaml": (None, "# c", '"s"', 'a: "s" # c'),
    "toml": (None, "# c", '"s"', 'a = "s" # c'),
}  # fmt: skip


def kinds_of(language: Language, text: str) -> dict[str, str]:
    """Each coloured piece of a text and the kind that it ends up with."""
    lines = text.split("\n")
    found: dict[str, str] = {}
    for row, spans in Highlighter(language, lines).spans(0, len(lines) - 1).items():
        for start, end, kind in spans:
            found[lines[row][start:end]] = kind
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_each_language_has_its_colours(name: str) -> None:
    keyword, comment, string, text = SAMPLES[name]
    kinds = kinds_of(by_name(name), text)
    assert keyword is None or kinds[keyword] == "keyword"
    assert comment is None or kinds[comment] == "comment"
    assert any(kinds.get(form) == "string" for form in (string, string[1:-1])), kinds


def test_markdown_has_headings() -> None:
    assert "heading" in kinds_of(by_name("markdown"), "# Title\n\ntext\n").values()


def test_every_grammar_that_is_named_can_be_loaded() -> None:
    assert [language.name for language in LANGUAGES if language.grammar and not load_grammar(language)] == []


def test_edits_give_the_same_colours_as_a_fresh_parse() -> None:
    generator = random.Random(1)
    document = LineDocument("def f(x):\n    return 'é界' + x\n\nclass A:\n    pass\n")
    language = by_name("python")
    followed = Highlighter(language, document.lines)
    document.on_replaced = followed.edited
    followed.spans(0, 100)
    for _ in range(150):
        first = document.location_of(generator.randrange(len(document.text) + 1))
        last = document.location_of(document.index_of(first) + generator.randrange(4))
        piece = generator.choice(["", "'", "界", "\n", "if x:\n    y = 1", "# c", '"""', "(", "\n\n"])
        document.replace_range(first, last, piece)
        count = document.line_count
        assert followed.spans(0, count) == Highlighter(language, document.lines).spans(0, count), document.text


def test_a_very_long_line_stays_plain() -> None:
    assert Highlighter(by_name("json"), ["[" + "1, " * 5000 + "1]"]).spans(0, 0) == {}


def test_languages_are_known_by_name_suffix_and_interpreter() -> None:
    assert language_of(Path("a.RS")).name == "rust"
    assert language_of(Path("x/Makefile")).name == "make"
    assert language_of(Path("run"), "#!/usr/bin/env python3").name == "python"
    assert language_of(Path("run"), "#!/bin/sh").name == "shell"
    assert language_of(Path("notes.txt")).name == "plain"
    assert language_of(None).name == "python"
