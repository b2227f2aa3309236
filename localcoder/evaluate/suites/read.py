"""Suites as their authors publish them: a JSON object a line, plain or gzip.

HumanEval-Infilling (Bavarian et al. 2022, arXiv 2207.14255), github.com/openai/human-eval-infilling, commit 88062ff:
its `data/HumanEval-{SingleLine,MultiLine,RandomSpan}Infilling.jsonl.gz` and `…RandomSpanInfillingLight.jsonl.gz`. The
fields, as `human_eval_infilling/execution.py` takes them:

- `task_id`: `SingleLineInfilling/HumanEval/0/L5` and the like: the benchmark, the problem, the place;
- `prompt`, `suffix`: the code before and behind the hole; `canonical_solution`: what stood there;
- `test`: code that defines `check(candidate)`; `entry_point`: the name of what it is called with.

SAFIM (Gong et al. 2024, arXiv 2403.04814), github.com/gonglinyuan/safim, commit 9543286, the data at
huggingface.co/datasets/gonglinyuan/safim: `{block,control,api}_completion.jsonl.gz` and `block_completion_v2.jsonl.gz`.
The fields, as `data_utils.py`, `prompt_utils.py`, `evaluate.py` and `exec_utils.py` take them:

- `task_id`: `block_completion_008121` and the like; `lang`: python, java, cpp or csharp;
- `prompt`: what the model sees, the problem's text included, with `# TODO: Your code here` (Python) or
  `/* TODO: Your code here */` where the hole is; `ground_truth`: what stood there;
- `eval_prompt`: the program that is run, with `{{completion}}` where the hole is;
- `unit_tests`: a list as JSON in a string, of objects with `input` (a text) and `output` (a list of texts); the list is
  empty for API calls, which are compared and not run.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from localcoder.code.languages import by_name
from localcoder.errors import LocalcoderError
from localcoder.evaluate.holes import Hole, Kind
from localcoder.evaluate.own_code import OwnFile
from localcoder.evaluate.suites.tasks import Suite, SuiteTask, UnitTest
from localcoder.files import reason

_GZIP = b"\x1f\x8b"
_HUMAN_EVAL_FIELDS = ("task_id", "prompt", "suffix", "canonical_solution", "test", "entry_point")
_SAFIM_FIELDS = ("task_id", "lang", "prompt", "eval_prompt", "ground_truth", "unit_tests")
_HUMAN_EVAL_KINDS: dict[str, Kind] = {"SingleLineInfilling": "line", "MultiLineInfilling": "lines"}
_HUMAN_EVAL_TOKENS = 512
"""Chosen, as its harness leaves it open: half as long again as the longest solution (859 characters) in tokens of
StarCoder2.
"""
_SAFIM_TOKENS = 128
"""`max_new_tokens` of its `model_utils.py`."""
_SAFIM_LANGUAGES = ("python", "java", "cpp", "csharp")
_PLACEHOLDERS = {"python": "# TODO: Your code here"}
_PLACEHOLDER = "/* TODO: Your code here */"
_COMPLETION = "{{completion}}"
_NOWHERE = Path("/")
"""Files there are in no repository: their prompts are code alone, as those of the suites' own programs are."""


def read_suite(path: Path, *, seed: int = 0) -> Suite:
    """The tasks of a file, in an order that the seed decides. Raises LocalcoderError (exit code 2)."""
    found: list[tuple[str, Hole, SuiteTask]] = []
    lines: dict[str, int] = {}
    problems: dict[str, str] = {}
    fields: tuple[str, ...] = ()
    for line in _lines(path):
        if not fields:
            fields = line.format()
        values = line.texts(fields)
        task_id = values["task_id"]
        if task_id in lines:
            raise line.error(f"the task {task_id} is in line {lines[task_id]} already")
        lines[task_id] = line.number
        is_safim = fields is _SAFIM_FIELDS
        hole, task = (_safim if is_safim else _human_eval)(line, values)
        if is_safim:  # It cuts several holes out of one solution, and does not say of which.
            problem = problems.setdefault(hole.file.sha256, hole.file.name)
            hole = replace(hole, file=replace(hole.file, name=problem))
        order = hashlib.sha256(f"{seed} {task_id}".encode()).hexdigest()
        found.append((order, hole, task))
    if not found:
        raise LocalcoderError(f"{path} has no tasks.", _TODO, exit_code=2)
    found.sort(key=lambda item: item[0])
    return Suite(
        "SAFIM" if is_safim else "HumanEval-Infilling",
        tuple(hole for _, hole, _ in found),
        {hole.key: task for _, hole, task in found},
        _SAFIM_TOKENS if is_safim else _HUMAN_EVAL_TOKENS,
    )


_TODO = "Give a JSONL file of HumanEval-Infilling or SAFIM, as its authors publish it."


@dataclass(frozen=True)
class _Line:
    path: Path
    number: int
    values: Mapping[str, Any]
    digest: str

    def error(self, what: str) -> LocalcoderError:
        return LocalcoderError(f"{self.path}, line {self.number}: {what}.", _TODO, exit_code=2)

    def format(self) -> tuple[str, ...]:
        for fields in (_HUMAN_EVAL_FIELDS, _SAFIM_FIELDS):
            if set(fields) <= self.values.keys():
                return fields
        named = ", ".join(list(self.values)[:8]) or "none"
        raise self.error(f"this is no task of HumanEval-Infilling or SAFIM; its fields are {named}")

    def texts(self, fields: tuple[str, ...]) -> dict[str, str]:
        """These fields, which have to be texts; of `unit_tests`, a list is one as well."""
        for field in fields:
            if field not in self.values:
                raise self.error(f"the field {field} is missing")
            if field == "unit_tests":
                continue
            if not isinstance(self.values[field], str):
                raise self.error(f"the field {field} is not a text")
            if re.search("[\ud800-\udfff]", self.values[field]):
                raise self.error(f"the field {field} is not Unicode text")
        return cast(dict[str, str], {field: self.values[field] for field in fields})


def _human_eval(line: _Line, values: Mapping[str, str]) -> tuple[Hole, SuiteTask]:
    benchmark = values["task_id"].partition("/")[0]
    problem = re.search(r"HumanEval/\d+", values["task_id"])
    before, after, truth = values["prompt"], values["suffix"], values["canonical_solution"]
    kind, name = _HUMAN_EVAL_KINDS.get(benchmark, "span"), problem[0] if problem else values["task_id"]
    checks = f"\n{values['test']}\ncheck({values['entry_point']})"
    task = SuiteTask(
        values["task_id"], "assertions", "none", by_name("python"), before, after + checks, truth, line.digest
    )
    return _hole(kind, name, "python", before, truth, after), task


def _safim(line: _Line, values: Mapping[str, str]) -> tuple[Hole, SuiteTask]:
    language = values["lang"]
    if language not in _SAFIM_LANGUAGES:
        raise line.error(f"the language {language!r} is none of {', '.join(_SAFIM_LANGUAGES)}")
    seen = values["prompt"].split(_PLACEHOLDERS.get(language, _PLACEHOLDER))
    run = values["eval_prompt"].split(_COMPLETION)
    for field, parts, mark in (
        ("prompt", seen, _PLACEHOLDERS.get(language, _PLACEHOLDER)),
        ("eval_prompt", run, _COMPLETION),
    ):
        if len(parts) != 2:
            raise line.error(f"{mark!r} stands {len(parts) - 1} times in the field {field}, not once")
    rule = _safim_rule(line, values["task_id"])
    tests = _unit_tests(line)
    task = SuiteTask(
        values["task_id"], "unit tests" if tests else "match", rule, by_name(language), run[0], run[1],
        values["ground_truth"], line.digest, tests if language == "python" else (),
    )  # fmt: skip
    return _hole(rule, values["task_id"], language, seen[0], values["ground_truth"], seen[1]), task


def _safim_rule(line: _Line, task_id: str) -> Literal["block", "control", "api"]:
    """By the task's name, or the file's."""
    for name in (task_id, line.path.name):
        if match := re.match(r"(block|control|api)(?=_|$)", name):
            return cast(Literal["block", "control", "api"], match[1])
    raise line.error(f"the task {task_id} says not whether it is one of block, control or api")


def _unit_tests(line: _Line) -> tuple[UnitTest, ...]:
    tests = line.values["unit_tests"]
    if isinstance(tests, str):
        try:
            tests = json.loads(tests)
        except ValueError as error:
            raise line.error(f"the field unit_tests is not JSON ({error})") from None
    with suppress(TypeError, KeyError, AttributeError):
        found = tuple(UnitTest(test["input"], tuple(test["output"])) for test in tests or ())
        if all(isinstance(text, str) for test in found for text in (test.input, *test.outputs)):
            return found
    raise line.error("the field unit_tests is not a list of input and output")


def _hole(kind: Kind, name: str, language: str, before: str, truth: str, after: str) -> Hole:
    text = before + truth + after
    found = by_name(language)
    path = _NOWHERE / f"task{found.suffixes[0]}"
    file = OwnFile(path, name, text, hashlib.sha256(text.encode()).hexdigest(), found)
    return Hole(kind, file, len(before), len(before) + len(truth), names_elsewhere=None)


def _lines(path: Path) -> Iterator[_Line]:
    """Those that are not blank. Numbers count from 1."""
    number = 0
    try:
        with path.open("rb") as plain:
            is_packed = plain.read(len(_GZIP)) == _GZIP
            plain.seek(0)
            with gzip.open(plain) if is_packed else plain as file:
                for number, data in enumerate(file, 1):
                    if data.strip():
                        yield _parsed(path, number, data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LocalcoderError(
            f"{path}, after line {number}: the gzip data is damaged ({error}).", "Fetch it again.", exit_code=2
        ) from None
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be read: {reason(error)}.", "Check the path.", exit_code=2) from None


def _parsed(path: Path, number: int, data: bytes) -> _Line:
    line = _Line(path, number, {}, hashlib.sha256(data).hexdigest())
    try:
        values = json.loads(data)
    except UnicodeDecodeError:
        raise line.error("it is not UTF-8") from None
    except ValueError as error:
        raise line.error(f"it is not JSON ({error})") from None
    except RecursionError:
        raise line.error("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise line.error("it is not a JSON object")
    return _Line(path, number, values, line.digest)
