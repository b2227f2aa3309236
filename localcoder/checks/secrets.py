"""Literals that look like a key or a password: what a model says there is made up, or somebody's."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from localcoder.checks.change import Change
from localcoder.checks.finding import Finding
from localcoder.code.ranges import Range
from localcoder.repository.taken import SECRET_TEXT

_OTHER_KEYS = re.compile(
    r"\bglpat-[\w-]{20}\b|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgEIcHlwaS5vcmc[\w-]{50,}|\bhf_[A-Za-z]{34}\b"
    r"|\bsk-(?:ant-|proj-)?[\w-]{32,}|\bSG\.[\w-]{22}\.[\w-]{43}\b|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"
)
"""Of GitLab, npm, PyPI, Hugging Face, OpenAI and Anthropic, SendGrid; JSON web tokens."""
_GIVEN = re.compile(
    r"""(?ix) (?<![\w.-]) (?P<name> [\w.-]* (?: passw(?:or)?d | passwd | pwd | secret | token | api[_-]?key
        | access[_-]?key | private[_-]?key | auth[_-]?key | credential )s? [\w-]* ) ["']? \]? \s*
        (?: [:=]>? | := | =>) \s*
        [rbuf]? (?P<quote>["'`]) (?P<value> [^"'`\s]{8,200} ) (?P=quote)"""
)
"""A literal that is called a secret: `api_key = "…"`, `"password": "…"`, `token: "…"`. A name is looked at from its
beginning alone: a line may be one long word."""
_NO_SECRET = re.compile(
    r"(?i)example|sample|dummy|change.?me|placeholder|your|x{4}|\*{3}|test|fake|[<>{}$%()\[\]/\\ ]|\.\."
)
_LEAST_ENTROPY = 2.5
"""Bits a character. detect-secrets takes 3 for hexadecimal keys; passwords are shorter, and repeat themselves."""


def find(change: Change) -> Iterator[Finding]:
    lines = change.new_lines
    text = change.after[lines.start : lines.end]
    seen: list[Range] = []
    for start, end in [*_keys(text), *_given(text)]:
        where = Range(lines.start + start, lines.start + end)
        value = change.after[where.start : where.end]
        is_seen = any(where.start < other.end and where.end > other.start for other in seen)
        if change.touches(where) and value not in change.before and not is_seen:
            seen.append(where)
            yield change.finding("secrets", where, f"`{value[:4]}…` looks like a secret", _WHY)


_WHY = "Keys and passwords do not belong into code, and a model that writes one made it up or has seen it."


def _keys(text: str) -> Iterator[tuple[int, int]]:
    """What is a key by its form alone."""
    if text.isascii():
        yield from (match.span() for match in SECRET_TEXT.finditer(text.encode()))
    yield from (match.span() for match in _OTHER_KEYS.finditer(text))


def _given(text: str) -> Iterator[tuple[int, int]]:
    for match in _GIVEN.finditer(text):
        value = match["value"]
        has_both = re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
        if has_both and not _NO_SECRET.search(value) and _entropy(value) >= _LEAST_ENTROPY:
            yield match.span("value")


def _entropy(text: str) -> float:
    """Bits a character, by how often each is there."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
