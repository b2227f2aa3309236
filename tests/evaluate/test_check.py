"""Commands on suggestions: in a real sandbox, and without one only if that is asked for."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from localcoder.errors import LocalcoderError
from localcoder.evaluate.check import Checker
from localcoder.evaluate.holes import Hole, cut
from localcoder.evaluate.own_code import own_files
from localcoder.evaluate.sandbox import Limits, Place, Sandbox
from tests.evaluate.test_holes import git

CODE = '''def double(number):
    """Twice the number."""
    result = number * 2
    return result


# What follows makes the file long enough to be cut: a comment in which nothing is said, and then some more of it.
assert double(4) == 8, "not doubled"
'''
LIMITS = Limits(seconds=20)


@pytest.fixture(params=["sandbox", "unsafe"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "unsafe":
        return Sandbox(unsafe=True)
    return isolated()


def isolated() -> Sandbox:
    try:
        return Sandbox()
    except LocalcoderError as error:
        pytest.skip(f"needs bubblewrap: {error}")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "double.py").write_text(CODE)
    return folder


def hole_at(repository: Path, middle: str) -> Hole:
    holes = cut(own_files(repository))
    return next(hole for hole in holes if hole.middle == middle and hole.kind == "line")


def test_suggestions_are_judged_by_a_command(repository: Path, sandbox: Sandbox) -> None:
    checker = Checker(repository, f"{sys.executable} double.py", sandbox)
    hole = hole_at(repository, "result = number * 2")
    assert checker.note.startswith("The check passes")
    assert checker.check(hole, hole.middle).passed
    assert checker.check(hole, "result = number + number").passed
    wrong = checker.check(hole, "result = number * 3")
    assert not wrong.passed and wrong.complaints >= 1
    assert checker.check(hole, "result = number + number").passed, "what was wrong before is gone"
    checker.close()
    assert (repository / "double.py").read_text() == CODE
    assert sorted(path.name for path in repository.iterdir()) == ["double.py"]


def test_a_check_that_fails_anyway_counts_new_complaints(repository: Path, sandbox: Sandbox) -> None:
    command = "cat double.py | grep -n bad; echo 'double.py:1: error: always'; exit 3"
    checker = Checker(repository, command, sandbox)
    hole = hole_at(repository, "result = number * 2")
    assert "ends with 3" in checker.note
    assert checker.check(hole, "result = 2 * number").passed
    found = checker.check(hole, "result = number  # error: bad")
    assert not found.passed and found.complaints == 1
    checker.close()


def test_what_a_command_leaves_does_not_count_for_the_next(repository: Path, sandbox: Sandbox) -> None:
    (repository / "other.txt").write_text("other")
    command = "cat other.txt; ls; rm -f other.txt; echo 'x:1 changed' >> double.py; mkdir -p a/b; touch a/b/new"
    checker = Checker(repository, command, sandbox)
    hole = hole_at(repository, "result = number * 2")
    for text in ("result = 1", "result = 2"):
        assert checker.check(hole, text).complaints == 0
    assert sorted(path.name for path in (checker._copy).iterdir()) == ["double.py", "other.txt"]
    assert (checker._copy / "double.py").read_text() == CODE
    checker.close()
    assert (repository / "double.py").read_text() == CODE


def test_links_that_a_command_makes_lead_nowhere(repository: Path, tmp_path: Path) -> None:
    (repository / "inner").mkdir()
    (repository / "inner" / "part.py").write_text(CODE)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "part.py").write_text("outside")
    command = f"rm -rf inner double.py; ln -s {outside} inner; ln -s {outside}/part.py double.py"
    checker = Checker(repository, command, Sandbox(unsafe=True))
    hole = hole_at(repository, "result = number * 2")
    for text in ("result = 1", "result = 2"):
        checker.check(hole, text)
    assert (outside / "part.py").read_text() == "outside" and [path.name for path in outside.iterdir()] == ["part.py"]
    assert not (checker._copy / "inner").is_symlink() and (checker._copy / "double.py").read_text() == CODE
    checker.close()


def test_a_change_that_is_hidden_is_undone(repository: Path) -> None:
    command = "touch -r double.py stamp; sed -i s/number/amount/ double.py; sed -i s/amount/nomber/ double.py; "
    command += "touch -r stamp double.py"
    checker = Checker(repository, command, Sandbox(unsafe=True))
    assert (checker._copy / "double.py").read_text() == CODE
    checker.close()


def test_what_is_ignored_is_there_to_read(repository: Path) -> None:
    git(repository, "init", "-q")
    (repository / ".gitignore").write_text("installed/\n")
    (repository / "installed").mkdir()
    (repository / "installed" / "tool.py").write_text("print('tool')")
    command = "test -f installed/tool.py && test -d .git && ! touch installed/new 2>/dev/null && ! touch .git/new"
    checker = Checker(repository, command, isolated())
    assert checker.truth.code == 0, checker.truth.output
    checker.close()


def test_no_network_and_no_writing_outside(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    place = Place(tmp_path / "copy", tmp_path / "original")
    home = Path.home()
    sandbox = isolated()
    code = "import socket; print([name for _, name in socket.if_nameindex()]); "
    code += "socket.create_connection(('192.0.2.1', 53), 3)"
    found = sandbox.run(f'{sys.executable} -c "{code}"', place, LIMITS)
    assert found.code != 0 and "['lo']" in found.output and "unreachable" in found.output, found.output
    assert sandbox.run(f"touch {home}/x || touch /etc/x || touch {tmp_path}/original/../x/y", place, LIMITS).code != 0
    assert sandbox.run("pwd > here && touch /tmp/there", place, LIMITS).code == 0
    assert (tmp_path / "copy" / "here").read_text().strip() == str(tmp_path / "original")
    assert not (home / "x").exists() and not Path("/tmp/there").exists()


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, sandbox: Sandbox) -> None:
    begun = time.monotonic()
    place = Place(tmp_path, tmp_path / "original")
    found = sandbox.run("(while :; do sleep 0.1; date > alive; done) & sleep 60", place, Limits(seconds=1))
    assert found.over == "time" and time.monotonic() - begun < 10
    (tmp_path / "alive").unlink(missing_ok=True)
    time.sleep(0.5)
    assert not (tmp_path / "alive").exists()


def test_memory_and_processes_are_bounded(tmp_path: Path, sandbox: Sandbox) -> None:
    place = Place(tmp_path, tmp_path / "original")
    limits = Limits(seconds=20, memory_bytes=300_000_000)
    eats = sandbox.run(f"{sys.executable} -c 'x = bytearray(2_000_000_000); input()'", place, limits)
    assert eats.over == "memory" or "MemoryError" in eats.output
    forks = sandbox.run("for i in $(seq 200); do sleep 15 & done; wait", place, Limits(seconds=20, processes=40))
    assert forks.over == "processes" or "fork" in forks.output.lower(), forks


def test_without_a_sandbox_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LocalcoderError, match="not installed") as caught:
        Sandbox()
    assert "--unsafe" in caught.value.todo
    Sandbox(unsafe=True)


def test_a_sandbox_that_does_not_work_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    with pytest.raises(LocalcoderError, match="No permissions"):
        Sandbox()
