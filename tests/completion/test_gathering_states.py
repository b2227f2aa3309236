"""Any order of typing, importing, asking and forgetting in several files gives each file the head that it had to have.

The simplest model: for each file the head that a new Gathering finds at the moment when its imports were last seen to
change.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import OrderedDict
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from localcoder.completion.context import gathering
from localcoder.completion.context.gathering import Gathering
from localcoder.completion.document import Document, Snippet

MODULES = ("models", "tools", "shapes")
FILES = ("one.py", "two.py", "three.py")
KEPT = 2
"""Heads that are kept: fewer than there are files."""
Head = tuple[Snippet, ...]


class Heads(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self._temporary = tempfile.TemporaryDirectory()
        self._patch = patch.object(gathering, "_MOST_FILES", KEPT)
        self._patch.start()
        self.folder = Path(self._temporary.name)
        (self.folder / "pyproject.toml").touch()
        for module in MODULES:
            self.define(module, 0)
        self.gathering = Gathering("repository")
        self.imports: dict[str, frozenset[str]] = dict.fromkeys(FILES, frozenset())
        self.bodies = dict.fromkeys(FILES, "")
        self.expected: OrderedDict[str, tuple[frozenset[str], Head]] = OrderedDict()

    def teardown(self) -> None:
        if hasattr(self, "_temporary"):
            self._patch.stop()
            self._temporary.cleanup()

    def document(self, name: str) -> Document:
        lines = [f"from {module} import {module}_of" for module in sorted(self.imports[name])]
        text = "\n".join(lines) + "\n\n" + self.bodies[name]
        return Document(text, len(text), self.folder / name)

    @rule(module=st.sampled_from(MODULES), count=st.integers(0, 3))
    def define(self, module: str, count: int) -> None:
        """What others define changes on disk: what was read serves nevertheless."""
        parameters = ", ".join(f"value_{number}: int" for number in range(count))
        (self.folder / f"{module}.py").write_text(f"def {module}_of({parameters}) -> int:\n    return {count}\n")

    @rule(name=st.sampled_from(FILES), modules=st.frozensets(st.sampled_from(MODULES)))
    def import_(self, name: str, modules: frozenset[str]) -> None:
        self.imports[name] = modules

    @rule(name=st.sampled_from(FILES), used=st.sampled_from(MODULES))
    def type_(self, name: str, used: str) -> None:
        self.bodies[name] += f"print({used}_of())\n"

    @rule(name=st.sampled_from(FILES))
    def gather(self, name: str) -> None:
        document, before = self.document(name), self.head(name)
        last = self.expected.get(name)
        if last is None or last[0] != self.imports[name]:
            fresh = Gathering("repository")
            asyncio.run(fresh.gather(document))
            self.expected[name] = self.imports[name], fresh.put(document).head
        self.expected.move_to_end(name)
        while len(self.expected) > KEPT:
            self.expected.popitem(last=False)
        assert asyncio.run(self.gathering.gather(document)) == (self.head(name) != before)

    @rule()
    def forget(self) -> None:
        self.gathering.forget()
        self.expected.clear()

    def head(self, name: str) -> Head:
        return self.gathering.put(self.document(name)).head

    @invariant()
    def each_file_has_its_head(self) -> None:
        if not hasattr(self, "expected"):
            return
        for name in FILES:
            expected = self.expected[name][1] if name in self.expected else ()
            assert self.head(name) == expected
            assert {snippet.path for snippet in expected} <= {f"{module}.py" for module in MODULES}


Heads.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestHeads = Heads.TestCase
