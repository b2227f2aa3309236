"""What of a suite's tasks is right: the model's own text, cut by the suite's rule, and the text as it is shown."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcoder.errors import LocalcoderError
from localcoder.evaluate.holes import Hole
from localcoder.evaluate.journal import Journal, key_of
from localcoder.evaluate.run import EvaluationProgress, Measured
from localcoder.evaluate.sandbox import Limits, Outcome, Place, Sandbox
from localcoder.evaluate.suites import run_assertions, run_unit_tests
from localcoder.evaluate.suites.tasks import Suite, SuiteTask
from localcoder.evaluate.suites.truncation import truncated
from localcoder.files import reason

_ASSERTIONS_S = 3.0
"""`timeout` of HumanEval-Infilling's `evaluate_functional_correctness`."""
_UNIT_TEST_S = 6.0
"""ExecEval's for Python 3: 2 s (`resource_limit.py`), three times as long for an interpreter (`config.yaml`). SAFIM has
PyPy run its Python, which is faster, and gets 4 s there.
"""
_UNIT_TEST_BYTES = 2 << 30
"""ExecEval's."""
_TRIED = 3
"""Tasks whose own solutions are run first. More than one, as a slow one may need the faster Python that SAFIM has."""
_STARTING_S = 10.0
"""Until a sandbox and an interpreter run on a busy machine. Chosen: a hundred times what it takes."""

Scores = Mapping[tuple[str, str], "Scored"]
"""By the candidate's name and the hole's key."""


@dataclass(frozen=True)
class Said:
    """A text, whether it passes, and what the program said if it does not; None where it cannot be scored here."""

    text: str
    passes: bool | None
    why: str = ""


@dataclass(frozen=True)
class Scored:
    """`theirs`: by the suite's own truncation; `shown`: as the app shows it. `task` is its name in the suite."""

    task: str
    theirs: Said
    shown: Said


class Scorer:
    """Scores texts one by one. `note` says how, and what is not scored."""

    def __init__(self, suite: Suite, sandbox: Sandbox | None) -> None:
        """`sandbox` is None where nothing has to run. Runs the own solutions of a few tasks.

        Raises LocalcoderError when none of them passes: then nothing would.
        """
        self._suite, self._sandbox = suite, sandbox
        self.seconds = 0.0
        """What one text costs."""
        failed = []
        for task in runs(suite)[:_TRIED]:
            begun = time.monotonic()
            said = self._run(task, task.truth)
            self.seconds = time.monotonic() - begun
            if said.passes:
                return
            failed.append(f"The solution of {task.id} itself does not pass here: {said.why}.")
        if failed:
            raise LocalcoderError(
                failed[0], "See whether the file is whole, and whether the machine is too busy for the time limit."
            )

    @property
    def note(self) -> str:
        ways = {task.way for task in self._suite.tasks.values() if task.is_scored}
        how = [text for way, text in _HOW.items() if way in ways]
        notes = [f"Scored: {'; '.join(how)}."] if how else []
        if self._suite.unscored:
            listed = ", ".join(f"{count:,} in {name}" for name, count in sorted(self._suite.unscored.items()))
            notes.append(f"Not scored, as only Python is run here: tasks {listed}; their texts are compared.")
        return " ".join(notes)

    def all_of(
        self, holes: Sequence[Hole], measured: Sequence[Measured], journal: Journal
    ) -> Generator[EvaluationProgress, None, dict[tuple[str, str], Scored]]:
        """Score every result; the same text in the same task runs once."""
        found: dict[tuple[str, str], Scored] = {}
        wanted = [(each, hole) for hole in holes for each in measured if hole.key in each.results]
        begun = time.monotonic()
        for done, (each, hole) in enumerate(wanted):
            rate = done / max(time.monotonic() - begun, 1e-9)
            yield EvaluationProgress("Scoring", done, len(wanted), rate, unit="tasks")
            task, result = self._suite.tasks[hole.key], each.results[hole.key]
            theirs = truncated(task, result.raw_text if result.raw_text is not None else result.text)
            found[each.candidate.name, hole.key] = Scored(
                task.id, self._known(task, theirs, journal), self._known(task, result.text, journal)
            )
        yield EvaluationProgress("Scoring", len(wanted), len(wanted), 0.0, unit="tasks")
        return found

    def _known(self, task: SuiteTask, text: str, journal: Journal) -> Said:
        if not (task.is_run and task.is_scored):
            return self.score(task, text)
        key = key_of("score", task.digest, text)
        known = journal.get(key)
        said = self.score(task, text) if known is None else Said(**known)
        if known is None:
            journal.put(key, asdict(said))
        return said

    def score(self, task: SuiteTask, text: str) -> Said:
        """Whether this text in the hole is right."""
        if not task.is_scored:
            return Said(text, None)
        if task.way == "match":
            return Said(text, is_same_call(text, task.truth, task.language.name))
        if task.way == "unit tests" and text == task.truth:
            return Said(text, True)
        return self._run(task, text)

    def _run(self, task: SuiteTask, text: str) -> Said:
        assert self._sandbox is not None
        try:
            with tempfile.TemporaryDirectory(prefix="localcoder-suite-", ignore_cleanup_errors=True) as folder:
                outcome = self._outcome(task, text, Path(folder), self._sandbox)
        except OSError as error:
            raise LocalcoderError(f"A program cannot be written: {reason(error)}.", "Make room.") from None
        last = (outcome.output.strip().splitlines() or ["it said nothing"])[-1]
        if outcome.over is not None:
            return Said(text, False, f"over the limit of {outcome.over}")
        return Said(text, outcome.code == 0 and last == "passed", "" if last == "passed" else last[:200])

    def _outcome(self, task: SuiteTask, text: str, folder: Path, sandbox: Sandbox) -> Outcome:
        program = folder / "program.py"
        program.write_bytes(task.program(text).encode("utf-8", "replace"))
        if task.way == "assertions":
            runner, seconds, limits = Path(run_assertions.__file__), _ASSERTIONS_S, Limits(_ASSERTIONS_S + _STARTING_S)
            more = [str(_ASSERTIONS_S)]
        else:
            runner, seconds = Path(run_unit_tests.__file__), _UNIT_TEST_S * len(task.tests)
            limits = Limits(seconds + _STARTING_S, _UNIT_TEST_BYTES)
            tests = folder / "tests.json"
            tests.write_text(json.dumps([[test.input, test.outputs] for test in task.tests]), encoding="utf-8")
            more = [tests.name, str(_UNIT_TEST_S)]
        (folder / runner.name).write_bytes(runner.read_bytes())
        # Not a virtual environment's: it may lie where a sandbox does not see it.
        arguments = [os.path.realpath(sys.executable), "-I", runner.name, program.name, *more]
        return sandbox.run(shlex.join(arguments), Place(folder, folder), limits)


_HOW = {
    "assertions": f"a program passes that ends without an exception within {_ASSERTIONS_S:.0f} s",
    "unit tests": f"a program passes that prints what all unit tests want, each within {_UNIT_TEST_S:.0f} s of this "
    "Python (SAFIM's: 4 s of PyPy)",
    "match": "a call is right that has the same arguments",
}


def runs(suite: Suite) -> list[SuiteTask]:
    """The tasks that are scored by running a program, in their order."""
    tasks = (suite.tasks[hole.key] for hole in suite.holes)
    return [task for task in tasks if task.is_run and task.is_scored]


def is_same_call(text: str, truth: str, language: str) -> bool:
    """`syntax_match` of SAFIM's `evaluate.py`: the same without white space; in Python, calls whose arguments are the
    same, keywords in any order. As there, the name of what is called does not count then.
    """
    one, other = (re.sub(r"\s+", "", each) for each in (text, truth))
    if language == "python":
        try:
            calls = [ast.parse(each, mode="eval").body for each in (one, other)]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            calls = []
        if calls and all(isinstance(call, ast.Call) for call in calls):
            arguments = [_arguments(call) for call in calls if isinstance(call, ast.Call)]
            return arguments[0] == arguments[1]
    return one == other


def _arguments(call: ast.Call) -> tuple[list[str], dict[str | None, str]]:
    return [ast.dump(each) for each in call.args], {each.arg: ast.dump(each.value) for each in call.keywords}
