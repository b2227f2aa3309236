"""A few tasks in the formats of HumanEval-Infilling and SAFIM, as files; none of them is one of theirs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HUMAN_EVAL: tuple[dict[str, Any], ...] = (
    {
        "task_id": "SingleLineInfilling/HumanEval/900/L0",
        "entry_point": "double",
        "prompt": 'def double(number: int) -> int:\n    """Twice the number."""\n',
        "suffix": "    return result\n",
        "canonical_solution": "    result = number * 2\n",
        "test": "\n\ndef check(candidate):\n    assert candidate(4) == 8\n    assert candidate(-1) == -2\n",
    },
    {
        "task_id": "SingleLineInfilling/HumanEval/900/L1",
        "entry_point": "double",
        "prompt": 'def double(number: int) -> int:\n    """Twice the number."""\n    result = number * 2\n',
        "suffix": "",
        "canonical_solution": "    return result\n",
        "test": "\n\ndef check(candidate):\n    assert candidate(4) == 8\n    assert candidate(-1) == -2\n",
    },
    {
        "task_id": "MultiLineInfilling/HumanEval/901/L0_L1",
        "entry_point": "smallest",
        "prompt": "from typing import List\n\n\ndef smallest(numbers: List[int]) -> int:\n",
        "suffix": "    return found\n",
        "canonical_solution": "    found = numbers[0]\n    for each in numbers:\n        found = min(found, each)\n",
        "test": "def check(candidate):\n    assert candidate([3, 1, 2]) == 1\n",
    },
    {
        # Whatever is said inside of the string is right.
        "task_id": "RandomSpanInfilling/HumanEval/902/1",
        "entry_point": "one",
        "prompt": 'def one() -> int:\n    """',
        "suffix": 'number."""\n    return 1\n',
        "canonical_solution": "The smallest ",
        "test": "def check(candidate):\n    assert candidate() == 1\n",
    },
    {
        # And what is not said.
        "task_id": "RandomSpanInfillingLight/HumanEval/902/1",
        "entry_point": "one",
        "prompt": "def one() -> int:\n    return 1",
        "suffix": "\n",
        "canonical_solution": "",
        "test": "def check(candidate):\n    assert candidate() == 1\n",
    },
)

_JAVA = (
    "public class Main {\n    public static void main(String[] words) {\n"
    "        for (int i = 0; HOLE; i++) {\n            System.out.println(i);\n        }\n    }\n}\n"
)
_SUMS = "n = int(input())\nfor _ in range(n):\n    HOLE\nprint('done')\n"
_COUNT = "n = int(input())\nwhile HOLE\n    print(n)\n    n -= 1\n"
_CALL = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return HOLE\n"


def _safim(name: str, lang: str, code: str, truth: str, tests: Sequence[tuple[str, str]]) -> dict[str, Any]:
    todo = "# TODO: Your code here" if lang == "python" else "/* TODO: Your code here */"
    return {
        "task_id": name,
        "lang": lang,
        "prompt": "Description: what is wanted.\n\nCode:\n\n" + code.replace("HOLE", todo),
        "eval_prompt": code.replace("HOLE", "{{completion}}"),
        "ground_truth": truth,
        "unit_tests": json.dumps([{"input": given, "output": [wanted]} for given, wanted in tests]),
    }


SAFIM: tuple[dict[str, Any], ...] = (
    _safim("block_completion_900001", "python", _SUMS, "a, b = map(int, input().split())\n    print(a + b)",
           [("2\n1 2\n3 4\n", "3\n7\ndone\n"), ("0\n", "done")]),
    _safim("control_completion_900002", "python", _COUNT, "n > 0:", [("2\n", "2\n1\n"), ("0\n", "")]),
    _safim("control_completion_900003", "java", _JAVA, "i < 3", [("", "0\n1\n2\n")]),
    _safim("api_completion_900004", "python", _CALL, "json.load(file)", []),
)  # fmt: skip


def write(path: Path, tasks: Sequence[dict[str, Any]]) -> Path:
    """As JSONL, packed where the name ends in .gz."""
    data = "".join(json.dumps(task) + "\n" for task in tasks).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
