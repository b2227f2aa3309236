"""Each check on what it is for, and on what it must leave alone."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from localcoder.checks import names as names_check
from localcoder.checks.change import Change
from localcoder.checks.check import CHECKS, check, look_at
from localcoder.code.ranges import Range
from localcoder.repository.index import Index, has_index
from tests.checks.looking import change, found

FUNCTION = "import os\n\n\ndef join(a, b):\n    §\n\n\ndef last():\n    return join(1, 2)\n"
GO = Path("main.go")


# --- parse


@pytest.mark.parametrize(
    ("marked", "text", "path"),
    [
        (FUNCTION, "return os.path.join(a, b", Path("a.py")),
        (FUNCTION, "return os.path.join(a, b))", Path("a.py")),
        ("package main\n\nfunc main() {\n\t§\n}\n", "f(1;", GO),
        ("package main\n\nfunc main() {\n\t§\n}\n", "if a {\n\t\tb()\n", GO),
        ("function f() {\n  §\n}\n", "return [1, 2;", Path("a.js")),
    ],
)
def test_what_no_longer_parses_is_found(marked: str, text: str, path: Path) -> None:
    assert len(found(change(marked, text, path), "parse")) == 1


@pytest.mark.parametrize(
    ("marked", "text", "path"),
    [
        (FUNCTION, "return os.path.join(a, b)", Path("a.py")),
        ("def f():\n    return g(§", "1)", Path("a.py")),
        ("x = [\n    1,\n    §\n", "2,", Path("a.py")),
        ("broken = = 1\n§\n", "x = 1", Path("a.py")),
        (FUNCTION, "if a:", Path("a.py")),
        ("package main\n\nfunc main() {\n\t§\n}\n", "if a {", GO),
        ("Some *prose* §\n", "with (an open bracket", Path("a.md")),
        ("§\n", "no (language", Path("a.txt")),
    ],
)
def test_what_parses_or_did_not_before_is_left_alone(marked: str, text: str, path: Path) -> None:
    assert found(change(marked, text, path), "parse") == []


def test_what_is_missing_is_named() -> None:
    assert found(change("function f() {\n  §\n}\n", "return g(1;", Path("a.js")), "parse")[0][1] == "`)` is missing"


# --- names


@pytest.mark.parametrize(
    ("marked", "text", "names"),
    [
        (FUNCTION, "return os.path.join(a, c)", ["c"]),
        (FUNCTION, "retrun(a)", ["retrun"]),
        (FUNCTION, "return [x for y in a]", ["x"]),
        (FUNCTION, "return os.path.join(a, b) + str(last)", []),
        (FUNCTION, "def inner():\n        return a\n    return inner", []),
        ("def f():\n    global counter\n    counter = 1\n\n\ndef g():\n    return §\n", "counter", []),
        ("from a import *\n\nprint(§)\n", "anything", []),
        ("def f():\n    return injected\n\n\ndef g():\n    return §\n", "injected", []),
        ("def g():\n    return §  # noqa: F821\n", "injected", []),
        ("x = 1\n§\nprint(x)\n", "del x", ["x"]),
        ("é = 'ä'\nprint(é, §)\n", "ö", ["ö"]),
        ('class A:\n    """A text\nat the left (\n    """\n\n    def f(self):\n        return §\n', "zz", ["zz"]),
    ],
)  # fmt: skip
def test_names_that_nothing_defines(marked: str, text: str, names: list[str]) -> None:
    assert [where for where, _ in found(change(marked, text), "names")] == names


def test_what_is_half_written_elsewhere_hides_nothing() -> None:
    text = "import os\n\n\ndef begun(:\n    return (\n\n\ndef g():\n    return §\n"
    assert found(change(text, "missing_name"), "names") == [("missing_name", "`missing_name` is not defined")]


def test_other_languages_and_files_without_a_name_are_not_asked_for_names() -> None:
    assert found(change("f(§)", "nothing", Path("a.js")), "names") == []
    assert found(change("f(§)", "nothing", None), "names") == []


# --- imports


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With an environment of its own."""
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["declared-one>=1"]\n')
    library = tmp_path / ".venv/lib/python3.11/site-packages"
    files = {
        "app/__init__.py": "",
        "app/core.py": "def load():\n    pass\n",
        "app/lazy.py": "def __getattr__(name):\n    return name\n",
        ".venv/lib/python3.11/os.py": "",
        ".venv/lib/python3.11/json.py": "def loads(text):\n    pass\n",
        "web/package.json": '{"dependencies": {"declared": "1"}}',
        "web/own.ts": "export const a = 1;\n",
        "web/node_modules/there/package.json": '{"main": "main.js"}',
        "web/node_modules/there/main.js": "exports.a = 1;\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (library / "installed").mkdir(parents=True)
    (library / "installed/__init__.py").write_text("from .part import thing\n")
    (library / "installed/part.py").write_text("thing = 1\n")
    (library / "compiled.cpython-311.so").write_bytes(b"")
    (tmp_path / ".venv/pyvenv.cfg").write_text(f"home = {tmp_path}/.venv/bin\nversion = 3.11\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere", "There is no module `nowhere`"),
        ("from nowhere.at import all_", "There is no module `nowhere.at`"),
        ("from app.core import save", "`app.core` has no `save`"),
        ("from app.other import load", "There is no module `app.other`"),
        ("from .other import load", "There is no module `.other`"),
        ("from installed.other import thing", "There is no module `installed.other`"),
        ("import json, nowhere as n", "There is no module `nowhere`"),
        ("from app.core import load", ""),
        ("from .core import load", ""),
        ("from app.lazy import whatever", ""),
        ("import installed.part", ""),
        ("from installed import part, thing", ""),
        ("import compiled", ""),
        ("import declared_one", ""),
        ("import sys, math, _ssl, winreg", ""),
        ("try:\n    import nowhere\nexcept ImportError:\n    nowhere = None", ""),
        ("if sys.platform == 'win32':\n    import nowhere", ""),
        ("text = 'import nowhere'", ""),
    ],
)
def test_imports_of_python(project: Path, text: str, said: str) -> None:
    here = change("§\n", text, project / "app/new.py")
    assert [what for _, what in found(here, "imports")] == ([said] if said else [])


def test_what_the_file_imports_already_is_not_said_again(project: Path) -> None:
    assert found(change("import nowhere\n§\n", "import nowhere", project / "app/new.py"), "imports") == []


def test_what_other_files_of_the_project_import_is_not_said_again(project: Path, tmp_path: Path) -> None:
    (project / "app/old.py").write_text("import nowhere\n")
    with Index(project, folder=tmp_path / "indexes") as index:
        for _ in index.update():
            pass
        here = project / "app/new.py"
        assert found(change("§\n", "import nowhere", here, index), "imports") == []
        assert found(change("§\n", "import nowhere_else", here, index), "imports") != []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('import a from "nowhere";', "There is no module `nowhere`"),
        ('const a = require("./nowhere");', "There is no module `./nowhere`"),
        ('import { a } from "@nowhere/core";', "There is no module `@nowhere/core`"),
        ('import { a } from "./own";', ""),
        ('import a from "there";', ""),
        ('import a from "declared/part";', ""),
        ('import fs from "fs"; import test from "node:test";', ""),
        ('import a from "@/components/a";', ""),
        ('const text = "from nowhere";', ""),
    ],
)
def test_imports_of_typescript(project: Path, text: str, said: str) -> None:
    here = change("§\n", text, project / "web/new.ts")
    assert [what for _, what in found(here, "imports")] == ([said] if said else [])


# --- insecure


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess; subprocess.run(a, shell=True)",
        "import pickle; return pickle.loads(a)",
        "return eval(a)",
        "import yaml; yaml.load(a, Loader=yaml.Loader)",
    ],
)
def test_insecure_calls(text: str) -> None:
    ((_, what),) = found(change(FUNCTION, text), "insecure")
    assert what


def test_what_was_insecure_before_is_not_new() -> None:
    assert found(change("def f(a):\n    eval(a)\n    §\n", "return a"), "insecure") == []
    assert found(change("def f(a):\n    return eval(a§)\n", ", {}"), "insecure") == []


def test_what_bandit_gives_little_weight_is_not_said() -> None:
    assert found(change(FUNCTION, "import subprocess; assert a"), "insecure") == []


# --- redactions and secrets


@pytest.mark.parametrize("mark", ["<NAME>", "<EMAIL>", "<KEY>", "<PASSWORD>"])
def test_marks_of_redaction(mark: str) -> None:
    assert found(change(FUNCTION, f'author = "{mark}"'), "redactions") == [(mark, f"`{mark}` is to be filled in")]
    assert found(change(f"# {mark}\n§\n", f'author = "{mark}"'), "redactions") == []


def test_parameters_of_types_are_no_redactions() -> None:
    assert found(change("§\n", "Map<KEY> map = new Map<KEY>();", Path("A.java")), "redactions") == []


# Put together here, so that nobody takes this file for one with secrets in it.
AWS, GITHUB = "AKIA" + "Q3EGWZ7RNBX5LTYK", "ghp_" + "x7Kd" * 9


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (f"key = '{AWS}'", [AWS]),
        (f"call({GITHUB!r})", [GITHUB]),
        ('api_key = "k3Jx9Qw2Lm7Tz5Vb"', ["k3Jx9Qw2Lm7Tz5Vb"]),
        ('config["password"] = "winter2019"', ["winter2019"]),
        ('{"client_secret": "0a9b8c7d6e5f4a3b"}', ["0a9b8c7d6e5f4a3b"]),
        ('password = "your-password-1"', []),
        ('token = os.environ["SERVICE_TOKEN_1"]', []),
        ('token = f"{user}1:{secret}"', []),
        ('tokens = "abcdefgh"', []),
        ('digest = "0a9b8c7d6e5f4a3b0a9b8c7d6e5f4a3b"', []),
    ],
)
def test_literals_that_look_like_secrets(text: str, secrets: list[str]) -> None:
    assert [where for where, _ in found(change(FUNCTION, text), "secrets")] == secrets


def test_a_secret_that_was_there_is_not_new() -> None:
    assert found(change(f"key = '{AWS}'\nother = §\n", f"'{AWS}'"), "secrets") == []


def test_a_line_that_is_one_long_word_is_looked_through_at_once() -> None:
    """By each of its characters it would take hours, in which nothing else can run."""
    text = f'data = "{"aB3" * 100_000}"\napi_key = "k3Jx9Qw2Lm7Tz5Vb"\n'
    assert [where for where, _ in found(change("§", text), "secrets")] == ["k3Jx9Qw2Lm7Tz5Vb"]


# --- copies

HELPER = """def read_rows(path, separator):
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip().split(separator)
            if fields and not fields[0].startswith("#"):
                rows.append([field.strip() for field in fields])
    return rows
"""


@pytest.fixture
def indexed(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "tables.py").write_text("import os\n\n\n" + HELPER)
    with Index(root) as index:
        for _ in index.update():
            pass
    return root


def test_a_copy_of_another_file_is_found(indexed: Path) -> None:
    text = "".join(f"    {line}\n" for line in HELPER.splitlines())
    (finding,) = look_at("class Reader:\n\n", Range(15, 15), text, indexed / "reader.py")
    assert finding.check == "copies"
    assert finding.what == "These 8 lines are in `read_rows` of tables.py, too"


def test_what_is_short_or_of_the_same_file_is_no_copy(indexed: Path) -> None:
    short = "\n".join(HELPER.splitlines()[:3])
    assert look_at("", Range(0, 0), short + "\n        pass\n", indexed / "reader.py") == ()
    assert look_at("", Range(0, 0), HELPER, indexed / "tables.py") == ()


def test_without_an_index_none_is_made(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert look_at("", Range(0, 0), HELPER, tmp_path / "a.py") == ()
    assert not has_index(tmp_path)


# --- all together


def test_a_check_that_fails_finds_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(change: Change) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(names_check, "find", fail)
    with caplog.at_level(logging.DEBUG, "localcoder.checks"):
        assert [each.check for each in check(change(FUNCTION, "return eval(zz"))] == ["parse"]
    assert "The check names failed" in caplog.text


@pytest.mark.parametrize(
    "text", ["", " \n", "\0", "\ud800", "]" * 5000, "(" * 5000, "é\r\n\tx\r", "'''", '"' * 3, "-" * 3000 + "1"]
)
@pytest.mark.parametrize("path", [Path("a.py"), Path("a.ts"), Path("a.yaml"), None])
def test_any_text_can_be_looked_at(text: str, path: Path | None) -> None:
    here = change("import os\r\nx = {\n    'a': §\n", text, path)
    for finding in check(here):
        assert 0 <= finding.range.start <= finding.range.end <= len(here.after)


def test_a_name_that_no_file_can_have_is_no_trouble() -> None:
    (finding,) = look_at("", Range(0, 0), f"key = '{AWS}'\n", Path("/a\0b/c.txt"))
    assert finding.check == "secrets"


def test_findings_come_in_the_order_of_the_text() -> None:
    here = change(FUNCTION, f"key = '{AWS}'\n    return missing_name + '<EMAIL>'")
    assert [each.check for each in check(here)] == ["secrets", "names", "redactions"]


def test_what_is_replaced_is_looked_at_as_what_comes_instead() -> None:
    before = "def f(a):\n    return (a\n"
    found = check(Change(before, Range(14, 23), "return a + b", Path("a.py")))
    assert [each.check for each in found] == ["names"]


def test_a_finding_says_where_it_is() -> None:
    (finding,) = check(change("a = 1\nbc, §\n", "missing_name"), ("names",))[-1:]
    assert finding.fields() == {
        "check": "names", "start": 10, "end": 22, "line": 2, "column": 5, "what": "`missing_name` is not defined",
        "why": "The file neither defines nor imports it.",
    }  # fmt: skip


def test_every_check_has_a_module() -> None:
    assert len(set(CHECKS)) == len(CHECKS) == 7
