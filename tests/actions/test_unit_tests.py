from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.actions.asking import Task
from localcoder.actions.unit_tests import test_path_of as where_tests_go
from localcoder.code.languages import language_of
from localcoder.errors import LocalcoderError
from tests.actions.driving import make_task, run, shown

CODE = (
    "class Shelf:\n    def read(self):\n        return 1\n\n\n"
    "def total(values):\n    return sum(values)\n\n\ndef _own():\n    pass\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "src" / "shop").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    return root / "src" / "shop" / "sums.py"


def task_for(file: Path, at: str | None = None, existing: str = "", code: str = CODE) -> Task:
    language = language_of(file)
    task = make_task(code, at, language=language.name, path=file)
    return replace(task, test_path=where_tests_go(file, language), existing_tests=existing)


def test_the_prompt_is_a_repository_with_the_source_and_the_tests_begun(file: Path) -> None:
    (ask,) = run("tests", task_for(file, "total"), "():\n    assert total([]) == 0\n").asks
    assert shown(ask.prompt) == (
        f"<repo_name>shop<file_sep>src/shop/sums.py\n{CODE}<file_sep>tests/test_sums.py\n"
        "import pytest\n\nfrom shop.sums import total\n\n\ndef test_total"
    )


def test_a_new_file_is_made_that_parses(file: Path) -> None:
    ran = run("tests", task_for(file), "_all():\n    assert total([1]) == 1\n\n\ndef test_b(", ended=False)
    outcome = ran.outcome
    assert outcome.is_new and outcome.before == "" and outcome.path == file.parents[2] / "tests" / "test_sums.py"
    assert outcome.after == (
        "import pytest\n\nfrom shop.sums import Shelf, total\n\n\ndef test__all():\n    assert total([1]) == 1\n"
    )


def test_a_method_is_tested_by_its_class(file: Path) -> None:
    ran = run("tests", task_for(file, "return 1"), "():\n    assert Shelf().read() == 1\n")
    assert "from shop.sums import Shelf\n\n\ndef test_read():" in ran.after


def test_tests_that_there_are_stay_and_others_follow(file: Path) -> None:
    existing = "from shop.sums import Shelf\n\n\ndef test_read():\n    assert Shelf().read() == 1\n"
    ran = run("tests", task_for(file, "total", existing), "():\n    assert total([]) == 0\n")
    assert ran.after == (
        existing + "\n\nfrom shop.sums import total\n\n\ndef test_total():\n    assert total([]) == 0\n"
    )
    assert not ran.outcome.is_new
    ast.parse(ran.after)


@pytest.mark.parametrize("said", ["", "(", "():\n    assert (", "\n\n\n"])
def test_what_does_not_parse_is_left_out(file: Path, said: str) -> None:
    ran = run("tests", task_for(file), said)
    assert ran.outcome.edits == () and ran.outcome.notes == ("The model wrote no tests that parse.",)


@pytest.mark.parametrize(
    ("name", "code", "said", "after"),
    [
        ("src/a.js", "export function f() { return 1; }\n", 'is one", () => {\n    expect(f()).toBe(1);\n',
         'import { f } from "./a";\n\ndescribe("a", () => {\n'
         '  it("is one", () => {\n    expect(f()).toBe(1);\n  });\n});\n'),
        ("a.go", "package a\n\nfunc F() int { return 1 }\n",
         "(t *testing.T) {\n\tif F() != 1 {\n\t\tt.Fail()\n\t}\n}\n",
         'package a\n\nimport "testing"\n\nfunc TestF(t *testing.T) {\n\tif F() != 1 {\n\t\tt.Fail()\n\t}\n}\n'),
        ("src/main/java/a/B.java", "package a;\n\nclass B { int f() { return 1; } }\n",
         "one() {\n        assertEquals(1, new B().f());\n    }\n}\n",
         "package a;\n\nimport org.junit.jupiter.api.Test;\n\nimport static org.junit.jupiter.api.Assertions.*;\n\n"
         "class BTest {\n\n    @Test\n    void one() {\n        assertEquals(1, new B().f());\n    }\n}\n"),
        ("lib/a.rb", "def f\n  1\nend\n", "one\n    assert_equal 1, f\n  end\nend\n",
         'require "minitest/autorun"\nrequire_relative "../lib/a"\n\nclass TestF < Minitest::Test\n  def test_one\n'
         "    assert_equal 1, f\n  end\nend\n"),
    ],
)  # fmt: skip
def test_each_language_in_its_own_framework(tmp_path: Path, name: str, code: str, said: str, after: str) -> None:
    (tmp_path / "go.mod").touch()
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    assert run("tests", task_for(file, code=code), said).after == after


@pytest.mark.parametrize(
    ("name", "folders", "where"),
    [
        ("src/shop/a/b.py", ["tests/a"], "tests/a/test_b.py"),
        ("src/shop/a/b.py", [], "tests/test_b.py"),
        ("shop/b.py", ["tests"], "tests/test_b.py"),
        ("b.py", ["test"], "test/test_b.py"),
        ("web/a.tsx", [], "web/a.test.tsx"),
        ("web/a.ts", ["web/__tests__"], "web/__tests__/a.test.ts"),
        ("a/b.go", [], "a/b_test.go"),
        ("src/main/java/x/B.java", [], "src/test/java/x/BTest.java"),
    ],
)
def test_tests_go_where_the_language_has_them(tmp_path: Path, name: str, folders: list[str], where: str) -> None:
    (tmp_path / "pyproject.toml").touch()
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    file = tmp_path / name
    assert where_tests_go(file, language_of(file)) == tmp_path / where


def test_what_cannot_be_tested_is_said(tmp_path: Path) -> None:
    with pytest.raises(LocalcoderError, match="not known how Lua"):
        run("tests", task_for(tmp_path / "a.lua", code="x = 1\n"), "x")
    with pytest.raises(LocalcoderError, match="without a name"):
        run("tests", make_task(CODE), "x")
    with pytest.raises(LocalcoderError, match="nothing to test"):
        run("tests", task_for(tmp_path / "a.py", code="x = 1\n"), "x")
    with pytest.raises(LocalcoderError, match="already"):
        run("tests", task_for(tmp_path / "A.java", existing="class ATest {}", code="class A {}\n"), "x")
