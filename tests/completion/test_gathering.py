"""What is gathered for a file, when it is gathered anew, and what of it goes into a document."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from localcoder.completion.context.gathering import Gathering
from localcoder.completion.context.level import LEVELS, Level
from localcoder.completion.document import Document, Snippet
from localcoder.repository import finder
from localcoder.repository.index import Index

MAIN = "from models import User\n\nuser = User()\n"


@pytest.fixture(name="file")
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "models.py").write_text("class User:\n    def __init__(self, name: str) -> None:\n        pass\n")
    (tmp_path / "more.py").write_text("def more(count: int) -> int:\n    return count\n")
    return tmp_path / "main.py"


def opened(path: Path | None, text: str = MAIN) -> Document:
    return Document(text, len(text), path)


async def test_a_head_is_there_once_it_was_gathered(file: Path) -> None:
    gathering = Gathering("repository")
    document = opened(file)
    assert gathering.put(document).head == ()
    assert await gathering.gather(document)
    (piece,) = gathering.put(document).head
    assert piece.path == "models.py" and "def __init__(self, name: str)" in piece.text
    assert not await gathering.gather(document)


async def test_it_changes_with_the_imports_alone(file: Path) -> None:
    gathering = Gathering("repository")
    await gathering.gather(opened(file))
    assert not await gathering.gather(opened(file, MAIN + "more(1)\nUser('x')\n"))
    # What is defined may change; what was read serves nevertheless.
    file.with_name("models.py").write_text("class User:\n    pass\n")
    assert not await gathering.gather(opened(file, MAIN + "pass\n"))
    assert await gathering.gather(opened(file, MAIN + "from more import more\n"))
    assert [piece.path for piece in gathering.put(opened(file)).head] == ["models.py", "more.py"]
    assert await gathering.gather(opened(file, "x = 1\n")) and gathering.put(opened(file)).head == ()


@pytest.mark.parametrize("level", LEVELS)
async def test_each_level_adds_what_its_name_says(file: Path, level: Level) -> None:
    gathering = Gathering(level)
    document = replace(opened(file), snippets=(Snippet("open.py", "x = 1\n"),))
    await gathering.gather(document)
    put = gathering.put(document)
    assert bool(put.snippets) == (level != "off")
    assert bool(put.head) == level.startswith("repository")


async def test_without_a_path_or_a_repository_there_is_no_head(file: Path) -> None:
    gathering = Gathering("repository and libraries")
    assert not await gathering.gather(opened(None))
    file.with_name("pyproject.toml").unlink()
    assert not await gathering.gather(opened(file))
    with_root = Gathering("repository", file.parent)
    assert await with_root.gather(opened(file))


async def test_other_languages_ask_the_index_which_is_made_meanwhile(file: Path) -> None:
    for number in range(3):
        file.with_name(f"other{number}.go").write_text(
            f"package main\n\nfunc Helper{number}(count int) int {{ return 1 }}\n"
        )
    text = "package main\n\nfunc main() {\n\tHelper1(2)\n}\n"
    document = opened(file.with_name("main.go"), text)
    gathering = Gathering("repository")
    assert await gathering.gather(document, wait=True)
    (piece,) = gathering.put(document).head
    assert (piece.path, piece.text) == ("other1.go", "func Helper1(count int) int\n")


async def test_a_repository_that_goes_away_is_no_trouble(file: Path) -> None:
    gathering = Gathering("repository", file.parent / "never there")
    go = opened(file.with_name("main.go"), "package main\n\nfunc main() { Helper1(2) }\n")
    assert not await gathering.gather(go, wait=True)
    assert gathering.put(go) == go


LONG = MAIN + "\n\n".join(f"def function_{number}(value):\n    return value + {number}" for number in range(30)) + "\n"


@pytest.fixture(name="long_file")
def with_a_long_file(file: Path) -> Path:
    file.write_text(LONG)
    return file


async def test_a_text_without_a_name_is_found_in_the_repository_while_it_is_written(long_file: Path) -> None:
    gathering = Gathering("repository", long_file.parent)
    part = LONG[300:900]
    assert await gathering.gather(opened(None, part), wait=True)
    assert [piece.path for piece in gathering.put(opened(None, part)).head] == ["models.py"]
    typed = part + "\n    return something_new(value)\n"
    assert [piece.path for piece in gathering.put(opened(None, typed)).head] == ["models.py"]
    for other in ("", "x = 1\n", "print('nothing of that')\n" * 30, LONG[300:340]):
        assert not await gathering.gather(opened(None, other), wait=True)
        assert gathering.put(opened(None, other)).head == ()


async def test_a_text_without_a_name_is_not_looked_for_without_a_repository(long_file: Path) -> None:
    assert not await Gathering("repository").gather(opened(None, LONG), wait=True)


async def test_a_file_may_be_found_while_it_is_asked_which_are_known(
    long_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One happens in a thread, the other with each completion."""
    other = long_file.with_name("other.py")
    other.write_text(LONG.replace("function", "procedure"))
    found = finder.TextFinder()
    with Index(long_file.parent) as index:
        for _ in index.update():
            pass
        assert found.find(LONG, index) == long_file
        likeness = finder._likeness

        def meanwhile(lines: frozenset[str], there: frozenset[str]) -> float:
            monkeypatch.setattr(finder, "_likeness", likeness)
            assert found.find(other.read_text(), index) == other
            return likeness(lines, there)

        monkeypatch.setattr(finder, "_likeness", meanwhile)
        assert found.known(LONG) == long_file
    assert found.known(other.read_text()) == other


async def test_an_index_that_another_thread_is_about_to_update_is_not_taken_for_ready(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.with_name("other.go").write_text("package main\n\nfunc Helper1(count int) int { return 1 }\n")
    document = opened(file.with_name("main.go"), "package main\n\nfunc main() {\n\tHelper1(2)\n}\n")
    begun, go, start = threading.Event(), threading.Event(), threading.Thread.start

    def start_late(thread: threading.Thread) -> None:
        if thread.name == "repository index":
            begun.set()
            go.wait(30)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_late)
    gathering = Gathering("repository")
    first = asyncio.create_task(gathering.gather(document))
    assert await asyncio.to_thread(begun.wait, 30)
    second = asyncio.create_task(gathering.gather(document, wait=True))
    # So long that the second one gets to where the first one is.
    await asyncio.wait({second}, timeout=0.5)
    go.set()
    await first
    await second
    await gathering.gather(document, wait=True)
    assert [piece.path for piece in gathering.put(document).head] == ["other.go"]
