"""Insecure patterns in Python, as bandit finds them (the extra `checks`).

For other languages no library of rules was found that can be kept: semgrep's rules are not under a free licence, and it
takes seconds to start; flawfinder (C) is under the GPL; the others need a language's own tools.
"""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from localcoder.checks.change import Change
from localcoder.checks.finding import Finding
from localcoder.checks.python_text import PythonText
from localcoder.code.ranges import Range

_SURE = ("MEDIUM", "HIGH")
"""What bandit itself gives little weight is in most programs."""
_OTHER_CHECKS = ("B105", "B106", "B107")
"""Passwords in literals are looked for in all languages."""


def find(change: Change) -> Iterator[Finding]:
    if change.python is None or not is_there():
        return
    found = [(issue, where) for issue, where in _issues(change.python) if change.touches(where)]
    if not found:
        return
    # What was insecure before the edit is not new.
    before = Counter(issue.test_id for issue, _ in _issues(change.python_before)) if change.python_before else Counter()
    after = Counter(issue.test_id for issue, _ in _issues(change.python))
    for issue, where in found:
        if after[issue.test_id] > before[issue.test_id]:
            what = issue.text.strip().partition(". ")[0].rstrip(".").removesuffix(", security issue")
            yield change.finding("insecure", where, what, f"bandit's {issue.test_id}, {issue.test}.")


@cache
def is_there() -> bool:
    """Whether bandit is installed. It takes some tenths of a second to load."""
    try:
        import bandit.core.node_visitor  # noqa: F401
    except ImportError:
        return False
    # It logs what it cannot make sense of.
    logging.getLogger("bandit").setLevel(logging.CRITICAL)
    logging.getLogger("stevedore").setLevel(logging.CRITICAL)
    return True


@cache
def _rules() -> Any:
    from bandit.core.config import BanditConfig
    from bandit.core.test_set import BanditTestSet

    return BanditTestSet(BanditConfig(), {})


def _issues(python: PythonText) -> Iterator[tuple[Any, Range]]:
    from bandit.core.meta_ast import BanditMetaAst
    from bandit.core.metrics import Metrics
    from bandit.core.node_visitor import BanditNodeVisitor

    visitor = BanditNodeVisitor("module.py", io.BytesIO(), BanditMetaAst(), _rules(), False, {}, Metrics())
    visitor.generic_visit(python.tree)
    for issue in visitor.tester.results:
        is_sure = issue.severity in _SURE and issue.confidence in _SURE
        if is_sure and issue.test_id not in _OTHER_CHECKS:
            last = max(issue.linerange or [issue.lineno])
            start = python.offset(issue.lineno, max(issue.col_offset, 0))
            end = python.offset(last, issue.end_col_offset) if issue.end_col_offset else python.offset(last + 1, 0)
            yield issue, Range(start, max(start, end))
