"""`localcoder context` shows what a file needs."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from localcoder.cli.main import cli


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["context", *arguments], catch_exceptions=False)
    return done.output


def test_what_was_found_is_shown_with_where_and_why(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "zoo.py").write_text('class Animal:\n    """Eats."""\n    def feed(self, g): ...\n')
    (tmp_path / "day.py").write_text(
        "from zoo import Animal\nimport nothing_there\n\nAnimal().feed(3)\nnothing_there.x()\n"
    )
    assert run(str(tmp_path / "day.py")).splitlines()[:7] == [
        "zoo.py  (repository)", "    class Animal:", "        Eats.", "        def feed(self, g):",
        "        Animal in line 4, imported in line 1 from zoo", "Not found:",
        "    nothing_there.x in line 5: nothing_there is not found",
    ]  # fmt: skip
    found = json.loads(run(str(tmp_path / "day.py"), "--json"))
    assert [(each["use"], each["file"], each["definition"]["signature"]) for each in found["needs"]] == [
        ("Animal", "zoo.py", "class Animal:")
    ]  # fmt: skip
    assert found["needs"][0]["members"][0]["name"] == "feed" and found["missing"][0]["line"] == 5
    (tmp_path / "alone.py").write_text("x = 1\n")
    assert "Nothing: the file uses no name" in run(str(tmp_path / "alone.py"))


def test_another_language_is_looked_up_in_the_index(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("package a\nfunc main() { Help(1) }\n")
    (tmp_path / "b.go").write_text("package a\nfunc Help(x int) {}\n")
    shown = run(str(tmp_path / "a.go"), "--root", str(tmp_path), "--quiet")
    assert "func Help(x int)" in shown and "in the same folder" in shown


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["context", str(tmp_path / "none.py")])
    assert "No such file" in str(done.exception)
