"""The index holds what the files hold, and follows them."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from localcoder.errors import LocalcoderError
from localcoder.progress import Progress, finish
from localcoder.repository import index as index_module
from localcoder.repository.background import update_in_background
from localcoder.repository.index import Index, Update

ZOO = '''"""Animals."""
import os
from cages import Cage as Box


class Animal:
    """Anything that eats."""

    def feed(self, amount_g: float) -> bool:
        """Whether it wanted that."""
        return amount_g > 0


def weigh(animal: Animal) -> float:
    return 1.0
'''


def make(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    make(folder, **{"zoo.py": ZOO, "lib/feed.js": "export function feed(a) { return a }\n", "notes.md": "a lion\n"})
    return folder


@pytest.fixture
def index(root: Path, tmp_path: Path) -> Iterator[Index]:
    with Index(root, folder=tmp_path / "indexes") as opened:
        yield opened


def names(index: Index) -> list[str]:
    return list(map(str, index.names()))


def test_definitions_imports_and_pieces_are_found(index: Index) -> None:
    assert not index.is_complete and names(index) == []
    assert finish(index.update()).taken_in == 3
    assert index.is_complete and names(index) == ["lib/feed.js", "notes.md", "zoo.py"]
    found = index.definitions("feed")
    assert [(str(each.path), each.definition.qualified_name) for each in found] == [
        ("lib/feed.js", "feed"), ("zoo.py", "Animal.feed")
    ]  # fmt: skip
    assert found[1].definition.signature == "def feed(self, amount_g: float) -> bool:"
    assert (found[1].definition.doc, found[1].definition.line) == ("Whether it wanted that.", 9)
    outline = index.outline(PurePosixPath("zoo.py"))
    assert outline is not None and [each.module for each in outline.imports] == ["os", "cages"]
    assert {str(each.path) for each in index.search("weigh the animal")} == {"zoo.py"}
    assert [each.piece.text for each in index.search("LION")] == ["a lion"]
    assert index.search("unheard of words") == index.search("") == index.search('" OR * (') == ()
    assert index.outline(PurePosixPath("none.py")) is None


def test_an_update_takes_in_what_changed(root: Path, index: Index) -> None:
    finish(index.update())
    make(root, **{"new.py": "def fresh(): pass\n", "zoo.py": ZOO.replace("weigh", "measure")})
    (root / "notes.md").unlink()
    (root / "lib").rename(root / "other")
    done = finish(index.update())
    assert (done.files, done.taken_in, done.taken_out) == (3, 3, 2)
    assert names(index) == ["new.py", "other/feed.js", "zoo.py"]
    assert not index.definitions("weigh") and not index.search("lion") and not index.search("weigh")
    assert [str(each.path) for each in index.definitions("measure")] == ["zoo.py"]
    assert [str(each.path) for each in index.search("measure")] == ["zoo.py"]


def test_what_did_not_change_is_not_read_again(root: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in root.rglob("*.*"):
        os.utime(path, (1e9, 1e9))
    # The time at which an entry changed cannot be set.
    monkeypatch.setattr(index_module, "_COARSEST_NS", -(10**10))
    finish(index.update())
    read: list[Path] = []

    def bytes_of(path: Path) -> bytes:
        read.append(path)
        return path.read_bytes()

    monkeypatch.setattr(index_module, "_bytes_of", bytes_of)
    assert finish(index.update()).taken_in == 0 and read == []
    os.utime(root / "zoo.py", (2e9, 2e9))
    assert finish(index.update()).taken_in == 0, "its bytes are the same"
    assert read == [index.root / "zoo.py"]


def test_a_change_that_keeps_size_and_time_is_seen(root: Path, index: Index) -> None:
    os.utime(root / "zoo.py", (1e9, 1e9))
    finish(index.update())
    make(root, **{"zoo.py": ZOO.replace("weigh", "tally")})
    os.utime(root / "zoo.py", (1e9, 1e9))
    finish(index.update())
    assert index.definitions("tally") and not index.definitions("weigh")


def test_a_saved_file_is_in_at_once(root: Path, index: Index) -> None:
    finish(index.update())
    make(
        root, **{"zoo.py": "def saved(): pass\n", "more.py": "def more(): pass\n", ".hidden.py": "def secret(): pass\n"}
    )
    begun = time.perf_counter()
    assert index.update_file(root / "zoo.py")
    assert time.perf_counter() - begun < 1, "not a measurement: 3 ms where nothing else runs"
    assert index.update_file(Path("more.py"))
    assert not index.update_file(root / ".hidden.py") and not index.update_file(root.parent / "elsewhere.py")
    assert not index.update_file(root / "zoo.py"), "nothing changed"
    assert [len(index.definitions(name)) for name in ("saved", "more", "secret", "weigh")] == [1, 1, 0, 0]
    (root / "zoo.py").unlink()
    assert index.update_file(root / "zoo.py") and not index.update_file(root / "zoo.py")
    assert names(index) == ["lib/feed.js", "more.py", "notes.md"]


def test_a_folder_may_be_named_by_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    with Index(tmp_path / "link", folder=tmp_path / "indexes") as index:
        make(root, **{"zoo.py": "def saved(): pass\n"})
        assert index.update_file(tmp_path / "link/zoo.py")
    with Index(root, folder=tmp_path / "indexes") as index:
        assert names(index) == ["zoo.py"]


@pytest.mark.parametrize(("name", "text"), [
    ("settings.env", "KEY=lion\n"), ("key.py", "-----BEGIN OPENSSH PRIVATE KEY-----\nlion\n"),
    ("deploy.py", 'key = "AKIAIOSFODNN7EXAMPLE"  # lion\n'), ("aws_credentials.json", '{"lion": 1}\n'),
    ("secrets.yaml", "lion: 1\n"), ("tokens.js", 'const lion = "ghp_' + "a" * 36 + '"\n'),
    ("api_pb2.py", "lion = 1\n"), ("app.min.js", "let lion = 1\n"), ("package-lock.json", '{"lion": 1}\n'),
    ("made.py", "# Code generated by lion. DO NOT EDIT.\n"), ("long.js", "let lion = 1;" * 500),
    ("table.json", '["lion"]\n' * 10_000), ("binary.py", "lion\0"),
])  # fmt: skip
def test_secrets_and_what_nobody_wrote_stay_out(name: str, text: str, root: Path, index: Index) -> None:
    (root / "notes.md").unlink()
    make(root, **{name: text})
    finish(index.update())
    assert index.search("lion") == () and not index.definitions("lion")
    index.update_file(root / name)
    assert index.search("lion") == ()
    assert b"lion" not in b"".join(path.read_bytes() for path in (root.parent / "indexes").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_only_its_owner_can_read_it(index: Index, tmp_path: Path) -> None:
    work = index.update()
    for _ in work:
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "indexes").iterdir()}
        assert len(modes) >= 3 and set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "indexes").stat().st_mode) == 0o700


def test_an_update_can_be_stopped_at_any_file(root: Path, index: Index) -> None:
    make(root, **{f"f{number}.py": f"def f{number}(): pass\n" for number in range(20)})
    work = index.update()
    events = [next(work) for _ in range(10)]
    work.close()
    assert all(isinstance(event, Progress) for event in events)
    assert [(event.done, event.total) for event in events] == [(number, 23) for number in range(10)]
    assert not index.is_complete
    assert finish(index.update()).files == 23 == len(index.names())
    assert index.is_complete


def test_the_newest_is_there_first(root: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_BATCH_S", 0.0)
    for number, name in enumerate(("notes.md", "zoo.py", "lib/feed.js")):
        os.utime(root / name, (1e9 + number, 1e9 + number))
    seen = [names(index) for _ in index.update()]
    assert seen == [[], ["lib/feed.js"], ["lib/feed.js", "zoo.py"], ["lib/feed.js", "notes.md", "zoo.py"]]


def test_in_the_background(root: Path, tmp_path: Path, index: Index) -> None:
    events: list[Progress] = []
    done = finish(update_in_background(root, folder=tmp_path / "indexes"), events.append)
    assert isinstance(done, Update) and done.files == 3 and events[-1].done == 3
    assert names(index) == ["lib/feed.js", "notes.md", "zoo.py"]
    shutil.rmtree(root)
    with pytest.raises(LocalcoderError, match="There is no folder") as caught:
        finish(update_in_background(root, folder=tmp_path / "indexes"))
    assert caught.value.exit_code == 2 and caught.value.todo


def test_a_stopped_background_leaves_nothing_locked(root: Path, tmp_path: Path, index: Index) -> None:
    make(root, **{f"f{number}.py": f"def f{number}(): pass\n" for number in range(200)})
    work = update_in_background(root, folder=tmp_path / "indexes")
    next(work)
    work.close()
    assert finish(index.update()).files == 203 == len(index.names())
