"""What of a completion is worth showing: without what the suffix already says."""

from __future__ import annotations

_SHORTEST_REPEAT = 3
"""A line of fewer characters (a bracket, a dash) says too little to count as a repeat of the suffix."""


def trim(text: str, suffix: str, *, final: bool) -> str:
    """The part of `text` that stands before `suffix` without repeating it.

    While text still comes (`final` false) only that is returned which will surely be part of the end result: for
    every longer text, the result begins with it.
    """
    text = _without_rest_of_line(text, suffix, final)
    text = _without_next_line(text, suffix, final)
    return text if final else text.rstrip()


def _without_rest_of_line(text: str, suffix: str, final: bool) -> str:
    """`foo(` | `)` completed as `x)`: the bracket is there already."""
    rest = suffix.split("\n", 1)[0].rstrip()
    if not rest.strip():
        return text
    first, newline, _ = text.partition("\n")
    if newline or final:
        stripped = first.rstrip()
        if stripped.endswith(rest):
            return stripped[: -len(rest)]
        return text
    # Hold back what may turn out to be the beginning of the rest of the line.
    stripped = first.rstrip()
    if stripped.endswith(rest):
        return stripped[: -len(rest)]
    for length in range(min(len(rest), len(first)), 0, -1):
        if rest.startswith(first[-length:]):
            return first[:-length]
    return text


def _without_next_line(text: str, suffix: str, final: bool) -> str:
    """A line that says what the suffix's next line says ends the completion."""
    below = suffix.split("\n", 1)[1] if "\n" in suffix else ""
    wanted = next((line.strip() for line in below.split("\n") if line.strip()), "")
    if len(wanted) < _SHORTEST_REPEAT:
        return text
    start = text.find("\n")
    while start >= 0:
        end = text.find("\n", start + 1)
        line = (text[start + 1 :] if end < 0 else text[start + 1 : end]).strip()
        if end < 0 and not final:
            return text[:start] if wanted.startswith(line) else text
        if line == wanted:
            return text[:start]
        start = end
    return text
