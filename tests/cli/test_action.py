from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from localcoder.cli import action as cli_action
from localcoder.cli.main import cli
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.errors import LocalcoderError
from tests.tui.fake_engine import INFO, FakeEngine

CODE = "def f(a):\n    return a\n\n\ndef g(b):\n    pass"
Call = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "a.py").write_bytes(CODE.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    control = tuple((name, i) for i, name in enumerate(CONTROL_NAMES[:9]))
    fake = FakeEngine(info_value=replace(INFO, control=control, chat_template="### Instruction ### Response"))
    monkeypatch.setattr(cli_action, "make_engine", lambda *_, **__: fake)
    return fake


@pytest.fixture
def call(folder: Path, engine: FakeEngine) -> Call:
    def run(*args: str, answers: tuple[str, ...] = ("Does it.",), stdin: str = "", code: int = 0) -> Result:
        engine.answers = list(answers)
        result = CliRunner().invoke(cli, ["action", *args], input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def test_a_diff_is_printed_that_git_can_apply(call: Call, folder: Path) -> None:
    result = call("docstring", "a.py:6")
    assert result.stdout == (
        '--- a/a.py\n+++ b/a.py\n@@ -3,4 +3,5 @@\n \n \n def g(b):\n+    """Does it."""\n     pass\n'
        "\\ No newline at end of file\n"
    )
    assert (folder / "a.py").read_text() == CODE
    subprocess.run(["git", "apply", "-"], input=result.stdout, text=True, check=True, cwd=folder)
    assert (folder / "a.py").read_text() == CODE.replace("    pass", '    """Does it."""\n    pass')


def test_write_changes_the_file_and_nothing_that_was_changed_meanwhile(
    call: Call, folder: Path, engine: FakeEngine
) -> None:
    file = folder / "a.py"
    file.write_bytes(CODE.replace("\n", "\r\n").encode())
    result = call("docstring", "a.py:1", "--write")
    assert result.stdout == "" and "Changed a.py." in result.stderr
    assert file.read_bytes().startswith(b'def f(a):\r\n    """Does it."""\r\n    return a\r\n')
    before = file.read_bytes()
    generate = engine.generate

    def meddling(request):  # type: ignore[no-untyped-def]
        file.write_bytes(before + b"# more\r\n")
        return generate(request)

    engine.generate = meddling  # type: ignore[method-assign]
    result = CliRunner().invoke(cli, ["action", "docstring", "a.py:6", "-w"])
    assert isinstance(result.exception, LocalcoderError) and "changed meanwhile" in result.exception.what
    assert file.read_bytes() == before + b"# more\r\n"


def test_json_says_all_of_it(call: Call) -> None:
    found = json.loads(call("types", "a.py:1", "--json", answers=("int", "???")).stdout)
    (change,) = found["changes"]
    assert change["edits"] == [{"start": 7, "end": 7, "text": ": int"}] and change["path"] == "a.py"
    assert change["diff"].startswith("--- a/a.py") and found["model"] == "fake"
    assert found["notes"] == ["No type was found for what `f` returns."] and found["tokens_generated"] == 6


def test_lines_are_ranges_and_a_file_is_all_of_it(call: Call) -> None:
    assert call("docstring", "a.py").stdout.count("Does it.") == 2
    assert call("docstring", "a.py:4-6").stdout.count("Does it.") == 1
    result = CliRunner().invoke(cli, ["action", "docstring", "a.py:40"])
    assert isinstance(result.exception, LocalcoderError) and "outside the text" in result.exception.what


def test_a_diff_on_standard_input_means_what_it_changes(call: Call, folder: Path) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    (folder / "a.py").write_text(CODE.replace("    pass", "    x = b\n    return x\n"))
    diff = subprocess.run(["git", "diff"], check=True, capture_output=True, text=True).stdout
    result = call("docstring", "-", stdin=diff)
    assert result.stdout.count("Does it.") == 1 and ' def g(b):\n+    """Does it."""' in result.stdout


def test_code_on_standard_input_comes_back_as_a_diff(call: Call) -> None:
    assert '+    """Does it."""' in call("docstring", "-", stdin=CODE).stdout
    assert call("docstring", "-", "--lines", "1", stdin=CODE).stdout.count("+    ") == 1
    result = CliRunner().invoke(cli, ["action", "docstring", "-", "--write"], input=CODE)
    assert isinstance(result.exception, LocalcoderError) and "cannot be written" in result.exception.what


def test_what_linters_find_is_fixed_from_the_last_line_to_the_first(call: Call, engine: FakeEngine) -> None:
    found = "a.py:2:5: E1 return the double\nFound 2 errors.\na.py:6: W9 this does nothing\n"
    fixed = call(
        "fix", "-", stdin=found, answers=("def g(b):\n    return b\n```", "def f(a):\n    return 2 * a\n```")
    ).stdout
    assert "-    pass" in fixed and "+    return b" in fixed and "+    return 2 * a" in fixed
    assert len(engine.requests) == 2
    result = CliRunner().invoke(cli, ["action", "fix", "-"], input="nothing here\n")
    assert isinstance(result.exception, LocalcoderError) and "no finding" in result.exception.what


def test_an_instruction_changes_lines(call: Call) -> None:
    assert "+    return -a" in call("change", "Negate it", "a.py:2", answers=("def f(a):\n    return -a\n```",)).stdout


def test_tests_are_a_new_file(call: Call, folder: Path) -> None:
    answer = "():\n    assert f(1) == 1\n```"
    diff = call("tests", "a.py:1", answers=(answer,)).stdout
    assert diff.startswith("--- /dev/null\n+++ b/tests/test_a.py\n@@ -0,0 +1,7 @@\n+import pytest\n")
    call("tests", "a.py:1", "--write", answers=(answer,))
    made = (folder / "tests" / "test_a.py").read_text()
    assert made == "import pytest\n\nfrom a import f\n\n\ndef test_f():\n    assert f(1) == 1\n"
    more = call("tests", "a.py:5", "--to", "tests/test_a.py", answers=("():\n    assert g(1) is None\n```",)).stdout
    assert "+def test_g():" in more and more.startswith("--- a/tests/test_a.py\n")


def test_an_explanation_is_printed_or_put_as_a_comment(call: Call) -> None:
    assert call("explain", "a.py:1").stdout == "Does it.\n"
    assert "+# Does it.\n def f(a):" in call("explain", "a.py:1", "--comment").stdout


def test_where_nothing_comes_of_it_that_is_said(call: Call) -> None:
    result = call("docstring", "a.py:1", answers=("---",), code=1)
    assert result.stdout == "" and "nothing fitting to say of `f`" in result.stderr
