"""Runs inside the sandbox, by itself: a program that reads its input and prints what is wanted of it.

    python run_unit_tests.py PROGRAM TESTS SECONDS

TESTS is a JSON file: a list of [input, [output, …]]. As ExecEval does it, which SAFIM's `exec_utils.py` asks
(github.com/ntunlp/ExecEval, commit dd69386): one process a test, so many seconds each, the first that fails ends it,
and an output is right that is any of those wanted, line by line without the white space around it, else word by word,
numbers within 1e-12. Prints "passed", or why not.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from decimal import Context, Decimal, DecimalException
from pathlib import Path

_FLAGS = ("-I", "-W", "ignore", "-OO", "-S")
"""ExecEval's for Python 3, and isolated."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_NEAR = Decimal("1e-12")
_DIGITS = Context(prec=39)
"""As many as ExecEval's 129 bits."""
_ANY_CASE = ("yes", "no", "true", "false")


def main() -> None:
    program, tests, seconds = sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8"), float(sys.argv[3])
    for number, (given, wanted) in enumerate(json.loads(tests), 1):
        said = _test(program, given.replace("\r", ""), [each.replace("\r", "") for each in wanted], seconds)
        if said:
            print(f"failed: test {number}: {said}")
            return
    print("passed")


def _test(program: str, given: str, wanted: list[str], seconds: float) -> str:
    """Why it fails, "" if it does not."""
    try:
        done = subprocess.run(
            [sys.executable, *_FLAGS, program], input=given.encode(), capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return "timed out"
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return " ".join([f"ended with {done.returncode}", *last])
    printed = done.stdout.decode(errors="ignore")
    return "" if any(is_same(each, printed) for each in wanted) else "wrong answer"


def is_same(wanted: str, printed: str) -> bool:
    """Whether what was printed is what is wanted."""
    lines = [[line.strip() for line in text.strip().split("\n")] for text in (wanted, printed)]
    words = [text.split() for text in (wanted, printed)]
    if lines[0] == lines[1]:
        return True
    return len(words[0]) == len(words[1]) and all(map(_is_same_word, *words))


def _is_same_word(wanted: str, printed: str) -> bool:
    if _NUMBER.fullmatch(wanted) and _NUMBER.fullmatch(printed):
        # Numbers that are too large for arithmetic are words.
        with suppress(DecimalException):
            one, other = _DIGITS.create_decimal(wanted), _DIGITS.create_decimal(printed)
            return bool(abs(_DIGITS.subtract(one, other)) <= _NEAR)
    lowered = [word.lower() if word.lower() in _ANY_CASE else word for word in (wanted, printed)]
    return lowered[0] == lowered[1]


if __name__ == "__main__":
    main()
