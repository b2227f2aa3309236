"""Runs inside the sandbox, by itself: a program that is right if it ends without an exception.

    python run_assertions.py PROGRAM SECONDS

As `unsafe_execute` of HumanEval-Infilling's `execution.py` does it: by `exec`, with all that it prints swallowed,
nothing to read, and an alarm after so many seconds. Not taken over is that it takes functions like `os.remove` away:
what a program may do, the sandbox decides. Prints "passed", or why not.
"""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn


class _OutOfTime(Exception):
    pass


class _Unreadable(io.StringIO):
    def readable(self) -> bool:
        return False

    def _refuse(self, *_: Any) -> NoReturn:
        raise OSError

    read = readline = readlines = _refuse


def main() -> None:
    program, seconds = Path(sys.argv[1]).read_text(encoding="utf-8"), float(sys.argv[2])
    swallowed, sys.stdin = _Unreadable(), _Unreadable()
    with contextlib.redirect_stdout(swallowed), contextlib.redirect_stderr(swallowed):
        said = _run(program, seconds)
    print(said)


def _run(program: str, seconds: float) -> str:
    def stop(*_: object) -> NoReturn:
        raise _OutOfTime

    has_alarm = hasattr(signal, "setitimer")
    try:
        if has_alarm:
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            exec(program, {})
        finally:
            if has_alarm:
                signal.setitimer(signal.ITIMER_REAL, 0)
    except _OutOfTime:
        return "timed out"
    except BaseException as error:
        return f"failed: {type(error).__name__}: {error}".replace("\n", " ")
    return "passed"


if __name__ == "__main__":
    main()
