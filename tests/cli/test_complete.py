"""`localcoder complete` as a script calls it: a real process, its exit code, its two streams."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = '''import json


def load(path):
    """Read a JSON file."""
    with open(path) as file:
        return {}
'''.format("")


def localcoder(*args: object, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "localcoder", *map(str, args)],
        input=stdin,
        capture_output=True,
        timeout=60,
        env=os.environ | variables,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text(CODE)
    return path


def test_text_and_nothing_else_on_standard_output(file: Path) -> None:
    run = localcoder("complete", f"{file}:7:16", LOCALCODER_CHECKS="no")
    as_json = json.loads(localcoder("complete", f"{file}:7:16", "--json").stdout)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.decode() == as_json["text"]
    assert set(as_json) == {
        "text", "stop_reason", "model", "prompt_ids", "tokens_read", "tokens_reused",
        "tokens_generated", "first_token_s", "tokens_per_s", "context", "findings",
    }  # fmt: skip
    assert as_json["model"] == "nano-Q8_0"
    assert as_json["tokens_read"] + as_json["tokens_reused"] == len(as_json["prompt_ids"])


def test_what_is_to_be_distrusted_is_said_beside_the_text(file: Path) -> None:
    where = f"{file}:7:16"
    found = json.loads(localcoder("complete", where, "--json", "--max-tokens", 40).stdout)
    run = localcoder("complete", where, "--max-tokens", 40)
    lines = run.stderr.decode().splitlines()
    assert run.stdout.decode() == found["text"]
    assert len(lines) == len(found["findings"])
    for line, each in zip(lines, found["findings"], strict=True):
        assert line == f"{file}:{each['line']}:{each['column']}: {each['what']}. {each['why']} ({each['check']})"
    off = json.loads(localcoder("complete", where, "--json", "--max-tokens", 40, LOCALCODER_CHECKS="no").stdout)
    assert (off["text"], off["findings"]) == (found["text"], [])


def test_the_three_ways_to_say_where(file: Path) -> None:
    marked = CODE.replace("return ", "return <HERE>")
    ways = [
        localcoder("complete", f"{file}:7:16", "--json"),
        localcoder("complete", file, "--line", 7, "--col", 16, "--json"),
        localcoder("complete", "-", "--line", 7, "--col", 16, "--json", stdin=CODE.encode()),
        localcoder("complete", "-", "--marker", "<HERE>", "--json", stdin=marked.encode()),
    ]
    answers = [json.loads(way.stdout) for way in ways]
    assert all(answer["prompt_ids"] == answers[0]["prompt_ids"] for answer in answers)
    assert all(answer["text"] == answers[0]["text"] for answer in answers)


def test_layout_and_seed(file: Path) -> None:
    psm = json.loads(localcoder("complete", f"{file}:7:16", "--layout", "psm", "--json").stdout)
    assert psm["prompt_ids"][0] == 1 and psm["prompt_ids"][-1] == 2
    hot: list[object] = ["complete", f"{file}:7:16", "--temperature", 1, "--seed", 5, "--json"]
    one, two = (json.loads(localcoder(*hot).stdout)["text"] for _ in range(2))
    assert one == two


def test_a_file_with_a_colon_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a:1:1"
    path.write_text("x = ")
    assert localcoder("complete", path, "--max-tokens", 2).returncode == 0


@pytest.mark.parametrize(
    ("args", "stdin", "says"),
    [
        (["none.py:1:1"], b"", "no file none.py"),
        (["a.py:99:1"], b"", "Line 99 is outside"),
        (["a.py:1:99"], b"", "Column 99 is outside"),
        (["binary:1:1"], b"", "not UTF-8"),
        (["nul:1:1"], b"", "binary file"),
        (["."], b"", "cannot be read"),
        (["a.py:1:1", "--line", "1"], b"", "twice"),
        (["a.py", "--col", "1"], b"", "--line"),
        (["-", "--marker", "@@"], b"x @@ y @@", "2 times"),
        (["a.py", "--model", "none.gguf"], b"", "no model file"),
        (["a.py", "--model", "nosuch"], b"", "no model named"),
        (["a.py", "--model", "a.py"], b"", "not a GGUF"),
        (["a.py", "--layout", "xyz"], b"", "xyz"),
        (["a.py", "--temperature", "nan"], b"", "not a number"),
        (["a.py", "--temperature", "inf"], b"", "not a number"),
        (["a.py", "--lora", "x.gguf:nan"], b"", "not a scale"),
        (["a.py:" + "9" * 400], b"", "cannot be read"),
        (["a" * 5000 + ":1:1"], b"", "cannot be read"),
        (["a.py:" + "9" * 5000], b"", "cannot be read"),
    ],
)
def test_bad_input_is_one_line_of_what_and_one_of_what_to_do(
    file: Path, tmp_path: Path, args: list[str], stdin: bytes, says: str
) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "nul").write_bytes(b"a\0b")
    run = subprocess.run(
        [sys.executable, "-c", "from localcoder.cli.main import main; main()", "complete", *args],
        input=stdin, capture_output=True, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    error = run.stderr.decode()
    assert run.returncode == 2, error
    assert run.stdout == b""
    assert says in error and "Traceback" not in error


def test_a_reader_that_leaves_early_is_no_error(file: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "localcoder", "complete", f"{file}:7:16"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) in (0, 1)
    assert b"Traceback" not in error


def test_help_does_not_load_what_it_does_not_need() -> None:
    code = "import sys; from localcoder.cli.main import cli; cli.main(['--help'], standalone_mode=False); "
    code += "print([m for m in ('textual', 'llama_cpp', 'huggingface_hub', 'numpy', 'gguf') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "[]"
