"""Whatever happens to the files and to the index, after an update it is what a fresh one is."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from localcoder.progress import finish
from localcoder.repository import index as index_module
from localcoder.repository.index import Index
from tests.repository.comparing import assert_as_fresh

NAMES = st.sampled_from(
    ["a.py", "b.py", "c/a.py", "c/b.js", "c/d/e.go", "notes.md", "c/.hidden.py", "data.json", "out/x.py", ".gitignore"]
)
TEXTS = st.sampled_from(
    ["", "def f(): pass\n",
     "def g(): pass\n", "import f\nclass C:\n    def f(self): pass\n", "// no code\n", "\0",
     "one two\n" * 60, "# secret AKIAIOSFODNN7EXAMPLE\n",
     "out/\n", "b.*\n", "def f(:\n", "ä\udcff".replace("\udcff", "")]
)  # fmt: skip
OLD = (1e9, 1e9)
STATES = int(os.environ.get("INDEX_EXAMPLES", "30"))


class Repository(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.root = self.folder / "root"
        (self.root / ".git").mkdir(parents=True)
        self.open()

    def open(self) -> None:
        self.index = Index(self.root, folder=self.folder / "indexes")

    @rule(name=NAMES, text=TEXTS, is_old=st.booleans())
    def write(self, name: str, text: str, is_old: bool) -> None:
        path = self.root / name
        if not path.is_dir() and all(not each.is_file() for each in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if is_old:
                os.utime(path, OLD)

    @rule(name=NAMES)
    def change_keeping_size_and_time(self, name: str) -> None:
        path = self.root / name
        if path.is_file():
            found = path.stat()
            path.write_bytes(path.read_bytes()[::-1])
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    @rule(name=NAMES, other=NAMES)
    def rename(self, name: str, other: str) -> None:
        if (self.root / name).is_file() and (self.root / other).parent.is_dir():
            (self.root / name).replace(self.root / other)

    @rule(back=st.booleans())
    def rename_folder(self, back: bool) -> None:
        source, target = (self.root / "moved", self.root / "c") if back else (self.root / "c", self.root / "moved")
        if source.is_dir() and not target.exists():
            source.rename(target)

    @rule(name=NAMES)
    def save(self, name: str) -> None:
        self.index.update_file(self.root / name)

    @rule(steps=st.integers(0, 6))
    def stop_an_update(self, steps: int) -> None:
        work = self.index.update()
        for _ in range(steps):
            if next(work, None) is None:
                break
        work.close()

    @rule()
    def kill(self) -> None:
        """What a process leaves that is killed within a transaction: its journal."""
        copy = self.folder / "killed"
        store = self.index._store
        # It may be damaged already.
        with suppress(sqlite3.Error):
            store._connection.execute("BEGIN IMMEDIATE")
            store._connection.execute("DELETE FROM files")
            store._connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        shutil.copytree(self.folder / "indexes", copy)
        with suppress(sqlite3.Error):
            store._connection.execute("ROLLBACK")
        self.index.close()
        shutil.rmtree(self.folder / "indexes")
        copy.rename(self.folder / "indexes")
        self.open()

    @rule(page=st.integers(0, 40), pages=st.integers(1, 4), seed=st.integers(0, 9), is_open=st.booleans())
    def damage(self, page: int, pages: int, seed: int, is_open: bool) -> None:
        if not is_open:
            self.index.close()
        (path,) = (self.folder / "indexes").glob("*.sqlite")
        size = path.stat().st_size
        if seed == 0:
            os.truncate(path, size // 4096 // 2 * 4096)
        elif page * 4096 < size:
            with path.open("r+b") as file:
                file.seek(page * 4096)
                file.write(random.Random(seed).randbytes(min(pages * 4096, size - page * 4096)))
        if not is_open:
            self.open()

    @rule()
    def ask(self) -> None:
        self.index.search("one two f def")
        self.index.definitions("f")
        self.index.names()

    @rule()
    def compare(self) -> None:
        finish(self.index.update())
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        assert_as_fresh(self.index, self.folder / "fresh")

    def teardown(self) -> None:
        self.compare()
        self.index.close()
        shutil.rmtree(self.folder)


def test_an_updated_index_is_what_a_fresh_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    states = settings(max_examples=STATES, stateful_step_count=30, deadline=None)
    monkeypatch.setattr(index_module, "_BATCH_S", 0.0)
    run_state_machine_as_test(Repository, settings=states)
