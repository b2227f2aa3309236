"""A change in which `§` marks the cursor, and what checks say of it."""

from __future__ import annotations

from pathlib import Path

from localcoder.checks.change import Change
from localcoder.checks.check import CHECKS, check
from localcoder.checks.finding import Finding
from localcoder.code.ranges import Range
from localcoder.repository.index import Index

PATH = Path("module.py")


def change(marked: str, text: str, path: Path | None = PATH, index: Index | None = None) -> Change:
    at = marked.index("§")
    return Change(marked.replace("§", ""), Range(at, at), text, path, index)


def found(change: Change, name: str | None = None) -> list[tuple[str, str]]:
    """(what was marked, what is said of it)."""
    findings = check(change, (name,) if name else CHECKS)
    return [(marked(each, change), each.what) for each in findings]


def marked(finding: Finding, change: Change) -> str:
    return change.after[finding.range.start : finding.range.end]
