"""HumanEval-Infilling and SAFIM: how their files are read, where a text is cut off, and what passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localcoder.cli.progress import watch
from localcoder.code.languages import by_name
from localcoder.errors import LocalcoderError
from localcoder.evaluate.candidates import Candidate
from localcoder.evaluate.compare import compare
from localcoder.evaluate.journal import Journal
from localcoder.evaluate.measure import Result
from localcoder.evaluate.page import page
from localcoder.evaluate.report import as_json, table
from localcoder.evaluate.run import Measured
from localcoder.evaluate.sandbox import Sandbox
from localcoder.evaluate.suites.read import read_suite
from localcoder.evaluate.suites.run_unit_tests import is_same as is_same_output
from localcoder.evaluate.suites.scoring import Scorer, is_same_call, runs
from localcoder.evaluate.suites.tasks import Rule, Suite, SuiteTask
from localcoder.evaluate.suites.truncation import truncated
from tests.evaluate.suite_files import HUMAN_EVAL, SAFIM, write
from tests.evaluate.test_check import isolated


@pytest.fixture(params=["sandbox", "unsafe"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return Sandbox(unsafe=True) if request.param == "unsafe" else isolated()


def task_of(suite: Suite, start: str) -> SuiteTask:
    return next(task for task in suite.tasks.values() if task.id.startswith(start))


@pytest.mark.parametrize("name", ["tasks.jsonl", "tasks.jsonl.gz"])
def test_human_eval_infilling_is_read(tmp_path: Path, name: str) -> None:
    suite = read_suite(write(tmp_path / name, HUMAN_EVAL))
    assert suite.name == "HumanEval-Infilling" and not suite.unscored
    assert len(suite.holes) == len(suite.tasks) == len(HUMAN_EVAL)
    for hole in suite.holes:
        task = suite.tasks[hole.key]
        given = next(each for each in HUMAN_EVAL if each["task_id"] == task.id)
        assert (hole.document.prefix, hole.document.suffix) == (given["prompt"], given["suffix"])
        assert hole.middle == task.truth == given["canonical_solution"]
        assert task.program("MIDDLE").startswith(given["prompt"] + "MIDDLE" + given["suffix"] + "\n" + given["test"])
        assert task.program("").endswith(f"\ncheck({given['entry_point']})")
        assert hole.file.language.name == "python" and hole.names_elsewhere is None
    kinds = {suite.tasks[hole.key].id.partition("/")[0]: hole.kind for hole in suite.holes}
    assert kinds == {
        "SingleLineInfilling": "line",
        "MultiLineInfilling": "lines",
        "RandomSpanInfilling": "span",
        "RandomSpanInfillingLight": "span",
    }
    assert {hole.file.name for hole in suite.holes} == {"HumanEval/900", "HumanEval/901", "HumanEval/902"}


def test_safim_is_read(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path / "block_completion.jsonl", SAFIM))
    assert suite.name == "SAFIM" and suite.max_tokens == 128
    assert suite.unscored == {"Java": 1}
    for hole in suite.holes:
        task = suite.tasks[hole.key]
        given = next(each for each in SAFIM if each["task_id"] == task.id)
        assert hole.document.prefix + "{{completion}}" + hole.document.suffix in given["prompt"].replace(
            "# TODO: Your code here", "{{completion}}"
        ).replace("/* TODO: Your code here */", "{{completion}}")
        assert task.program("{{completion}}") == given["eval_prompt"]
        assert (hole.middle, hole.file.language.name) == (given["ground_truth"], given["lang"])
    assert [task_of(suite, each).rule for each in ("block", "control", "api")] == ["block", "control", "api"]
    assert [task_of(suite, each).way for each in ("block", "control", "api")] == ["unit tests", "unit tests", "match"]
    assert task_of(suite, "block").tests[1].outputs == ("done",)


def test_the_seed_decides_the_order(tmp_path: Path) -> None:
    tasks = [{**HUMAN_EVAL[0], "task_id": f"SingleLineInfilling/HumanEval/{number}/L0"} for number in range(30)]
    path = write(tmp_path / "tasks.jsonl", tasks)
    orders = [[hole.file.name for hole in read_suite(path, seed=seed).holes] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_holes_in_the_same_code_are_of_the_same_problem(tmp_path: Path) -> None:
    first = SAFIM[0]
    code = first["prompt"].replace("# TODO: Your code here", first["ground_truth"])
    other = {
        **first,
        "task_id": "control_completion_900009",
        "prompt": code.replace("_ in range(n):", "# TODO: Your code here"),
        "ground_truth": "_ in range(n):",
    }
    suite = read_suite(write(tmp_path / "tasks.jsonl", [*SAFIM, other]))
    names = {suite.tasks[hole.key].id: hole.file.name for hole in suite.holes}
    assert names.pop("control_completion_900009") == "block_completion_900001"
    assert all(name == task for task, name in names.items())


def line(**changes: Any) -> bytes:
    return json.dumps({**HUMAN_EVAL[0], **changes}).encode() + b"\n"


def safim(**changes: Any) -> bytes:
    return json.dumps({**SAFIM[0], **changes}).encode() + b"\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "has no tasks"),
        (b"\n \n", "has no tasks"),
        (line() + b'{"task_id": ', "line 2: it is not JSON"),
        (b"\n\n[1]\n", "line 3: it is not a JSON object"),
        (b'{"prompt": "\xff"}\n', "line 1: it is not UTF-8"),
        (b'{"text": 1}\n', "line 1: this is no task of HumanEval-Infilling or SAFIM; its fields are text"),
        (b"{}\n", "its fields are none"),
        (b'{"a": ' + b"[" * 100_000 + b"\n", "line 1: it is"),
        (line() + safim(), "line 2: the field suffix is missing"),
        (line(suffix=None), "line 1: the field suffix is not a text"),
        (line(prompt="\ud800"), "line 1: the field prompt is not Unicode text"),
        (line() + line(), "line 2: the task SingleLineInfilling/HumanEval/900/L0 is in line 1 already"),
        (safim(lang="cobol"), "line 1: the language 'cobol' is none of"),
        (safim(prompt="no hole"), "line 1: '# TODO: Your code here' stands 0 times in the field prompt, not once"),
        (safim(eval_prompt="{{completion}}{{completion}}"), "stands 2 times in the field eval_prompt"),
        (safim(unit_tests="["), "line 1: the field unit_tests is not JSON"),
        (safim(unit_tests='[{"input": 1, "output": ["2"]}]'), "line 1: the field unit_tests is not a list of"),
        (safim(unit_tests="7"), "line 1: the field unit_tests is not a list of"),
        (safim(task_id="900001"), "line 1: the task 900001 says not whether it is one of block, control or api"),
        (b"\x1f\x8b\x08\x00damaged", "the gzip data is damaged"),
    ],
)
def test_what_is_no_suite_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(data)
    with pytest.raises(LocalcoderError) as raised:
        read_suite(path)
    assert says in raised.value.what and raised.value.exit_code == 2


def test_a_packed_file_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.jsonl.gz", HUMAN_EVAL)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(LocalcoderError, match="gzip data is damaged"):
        read_suite(path)
    with pytest.raises(LocalcoderError, match="cannot be read"):
        read_suite(tmp_path / "none.jsonl")


def task(rule: Rule, language: str, before: str, after: str) -> SuiteTask:
    return SuiteTask("x", "unit tests", rule, by_name(language), before, after, "", "")


LOOP = task("block", "python", "for each in range(3):\n    ", "\nprint(each)\n")
BRACES = task("block", "cpp", "int main() {\n  while (true) {\n    ", "\n  }\n  return 0;\n}\n")


@pytest.mark.parametrize(
    ("own", "text", "kept"),
    [
        (task("none", "python", "", ""), "a\nb\n", "a\nb\n"),
        (task("control", "python", "", ""), "\n  \nx > 1:\n    pass", "x > 1:"),
        (task("control", "python", "", ""), " \n", ""),
        (task("control", "java", "", ""), "f(x) > 1) {\n", "f(x) > 1"),
        (task("control", "cpp", "", ""), "x > 1", "x > 1"),
        (task("api", "python", "", ""), "np.ones((n, n)) + f(1)\n", "np.ones((n, n))"),
        (task("api", "java", "", ""), "f(g(1)", "f(g(1)"),
        (LOOP, "a = each\n    b = a\n", "a = each\n    b = a\n"),
        (LOOP, "a = each\nprint(2)\n", "a = each\n"),
        (LOOP, "a = each\n    b = (\n", "a = each\n"),
        (LOOP, "(\n", ""),
        (BRACES, "n++;\n    n--;\n", "n++;\n    n--;\n"),
        (BRACES, "n++;\n  }\n  while (false) {\n  }\n", "n++;\n"),
    ],
)
def test_texts_are_cut_as_safim_cuts_them(own: SuiteTask, text: str, kept: str) -> None:
    """What its own functions return for these."""
    assert truncated(own, text) == kept


@pytest.mark.parametrize(
    ("text", "truth", "language", "is_same"),
    [
        ("f(a, b=1, c=2)", "f(a, c=2, b=1)", "python", True),
        ("f(a,\n  1)", "f(a, 1)", "python", True),
        ("f(a, 2)", "f(a, 1)", "python", False),
        ("g(a)", "f(a)", "python", True),
        ("g(a)", "f(a)", "java", False),
        ("f( a )", "f(a)", "java", True),
        ("f(b=1, a=2)", "f(a=2, b=1)", "csharp", False),
        ("f(", "f(a)", "python", False),
        ("", "f(a)", "python", False),
    ],
)
def test_calls_are_compared_as_safim_compares_them(text: str, truth: str, language: str, is_same: bool) -> None:
    assert is_same_call(text, truth, language) == is_same


@pytest.mark.parametrize(
    ("wanted", "printed", "is_same"),
    [
        ("3\n7\n", "3 \n 7", True),
        ("1 2", "1\n2", True),
        ("1 2", "1", False),
        ("0.5", "0.5000000000001", True),
        ("0.5", "0.500001", False),
        ("YES", "yes", True),
        ("abc", "ABC", False),
        ("1e999999999", "1e999999998", False),
        ("", "\n", True),
    ],
)
def test_outputs_are_compared_as_execeval_compares_them(wanted: str, printed: str, is_same: bool) -> None:
    assert is_same_output(wanted, printed) == is_same


def test_programs_pass_or_not(tmp_path: Path, sandbox: Sandbox) -> None:
    suite = read_suite(write(tmp_path / "tasks.jsonl", HUMAN_EVAL[:1]))
    scorer, own = Scorer(suite, sandbox), task_of(suite, "Single")
    assert 0 < scorer.seconds < 10 and "without an exception within 3 s" in scorer.note
    assert scorer.score(own, own.truth).passes
    assert scorer.score(own, "    print('much')\n    result = number + number\n").passes
    for text, why in (
        ("    result = number\n", "AssertionError"),
        ("    result = (\n", "SyntaxError"),
        ("    import sys; sys.exit(0)\n", "SystemExit"),
        ("    import os; os._exit(0)\n", "it said nothing"),
        ("    result = 2 * int(input())\n", "OSError"),
    ):
        said = scorer.score(own, text)
        assert said.passes is False and why in said.why


def test_a_program_that_does_not_end_is_stopped(tmp_path: Path, sandbox: Sandbox) -> None:
    suite = read_suite(write(tmp_path / "tasks.jsonl", HUMAN_EVAL[:1]))
    said = Scorer(suite, sandbox).score(task_of(suite, "Single"), "    while True:\n        result = 1\n")
    assert (said.passes, said.why) == (False, "timed out")


def test_unit_tests_decide(tmp_path: Path, sandbox: Sandbox) -> None:
    suite = read_suite(write(tmp_path / "tasks.jsonl", SAFIM))
    scorer = Scorer(suite, sandbox)
    block, control, api = (task_of(suite, each) for each in ("block", "control_completion_900002", "api"))
    assert scorer.score(block, block.truth).passes
    assert scorer.score(block, "print(sum(map(int, input().split())))").passes
    assert scorer.score(block, "print(input())").why == "failed: test 1: wrong answer"
    assert "ValueError" in scorer.score(block, "int(input())").why
    assert scorer.score(control, "n:").passes
    assert scorer.score(control, "n > 1:").passes is False
    assert scorer.score(api, "json.load( file )").passes
    assert scorer.score(task_of(suite, "control_completion_900003"), "i < 3").passes is None
    assert "tasks 1 in Java" in scorer.note and "each within 6 s" in scorer.note


def test_calls_alone_need_no_sandbox(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path / "tasks.jsonl", SAFIM[3:]))
    assert runs(suite) == []
    assert Scorer(suite, None).score(task_of(suite, "api"), "json.load(path)").passes is False


def test_a_suite_whose_own_solution_fails_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.jsonl", [{**HUMAN_EVAL[0], "canonical_solution": "    result = 0\n"}])
    write(tmp_path / "more.jsonl", [json.loads(path.read_text()), HUMAN_EVAL[1]])
    assert Scorer(read_suite(tmp_path / "more.jsonl"), Sandbox(unsafe=True)).seconds > 0, "one of them passes"
    with pytest.raises(LocalcoderError, match=r"solution of SingleLineInfilling/HumanEval/900/L0 itself does not pass"):
        Scorer(read_suite(path), Sandbox(unsafe=True))


def result(text: str, raw_text: str) -> Result:
    return Result(text, "end", 0.8, 5.0, 10, 100, 50.0, 0.1, 20.0, 1.0, 10**9, 2.0, raw_text=raw_text)


def test_candidates_are_compared_by_what_passes(tmp_path: Path) -> None:
    tasks = [
        {**SAFIM[0], "task_id": f"block_completion_{number:06}", "prompt": SAFIM[0]["prompt"] + f"# {number}"}
        for number in range(12)
    ]
    suite = read_suite(write(tmp_path / "tasks.jsonl", [*tasks, SAFIM[2]]))
    scorer, journal = Scorer(suite, Sandbox(unsafe=True)), Journal(tmp_path / "journal.jsonl")
    truth = SAFIM[0]["ground_truth"]
    # One says more than it should: their truncation takes that off, and the app did not.
    talks = result(f"{truth}\nprint('more')\n", f"{truth}\nprint('more')\n")
    silent = result("", "")
    measured = [
        Measured(Candidate(name, Path(f"{name}.gguf"), (), "spm", 512), {hole.key: said for hole in suite.holes})
        for name, said in (("silent", silent), ("talks", talks))
    ]
    found = watch(scorer.all_of(suite.holes, measured, journal), quiet=True)
    assert len(found) == 26
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert watch(scorer.all_of(suite.holes, measured, journal), quiet=True) == found, "from the journal"
    assert (tmp_path / "journal.jsonl").read_text().splitlines() == lines
    compared = compare(suite.holes, measured, note=scorer.note, scores=found, suite=suite.name)
    assert compared is not None and compared.drawn == "problems"
    first, second = compared.compared
    assert [first.measure(f"pass@1, {name}").value for name in ("their truncation", "as shown")] == [0, 0]
    theirs, shown = (second.measure(f"pass@1, {name}") for name in ("their truncation", "as shown"))
    assert (theirs.value, theirs.difference, shown.value) == (1, 1, 0)
    assert theirs.interval is not None and (theirs.interval.low, theirs.interval.high) == (1, 1)
    assert {name: part.passes for name, part in second.parts.items()} == {
        "block": 1,
        "control-flow expression": None,
        "Java": None,
        "Python": 1,
    }
    assert compared.sentence.startswith("talks passes 100.0% of 12 tasks of SAFIM with their truncation, and 0.0% as")
    text = " ".join(table(compared).split())
    assert "13 holes in 13 problems" in text and "not scored" in text and "tasks 1 in Java" in text
    html = page(compared, "SAFIM")
    assert html.count("<svg") == 7 and "Their truncation (passes)" in html
    parsed = json.loads(json.dumps(as_json(compared)))
    assert parsed["suite"]["name"] == "SAFIM"
    named = {case["score"]["task"] for case in parsed["candidates"][1]["cases"]}
    assert named == {each["task_id"] for each in [*tasks, SAFIM[2]]}
    assert parsed["candidates"][1]["cases"][0]["score"]["shown"]["passes"] in (False, None)
