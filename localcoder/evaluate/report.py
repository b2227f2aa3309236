"""What was found, as a table for people and as JSON for programs."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from localcoder.evaluate.compare import Case, Compared, Comparison, Measure
from localcoder.evaluate.holes import KIND_NAMES

_LABEL_WIDTH = 34
_COLUMN_WIDTH = 25


def table(comparison: Comparison, width: int = 100) -> str:
    """A column a candidate; below each value its difference from the first one's, with the 95 % interval.

    More candidates than fit into `width` characters go into further tables.
    """
    compared = comparison.compared
    column = max(_COLUMN_WIDTH, *(len(each.name) + 2 for each in compared))
    many = max(1, (width - _LABEL_WIDTH) // column)
    lines = []
    for start in range(0, len(compared), many):
        lines += [*_rows(compared[start : start + many], column), ""]
    lines += textwrap.wrap(heading(comparison), width)
    lines += [f"{name} could not be measured: {why}" for name, why in comparison.failed.items()]
    lines += ["", *textwrap.wrap(comparison.sentence, width)]
    return "\n".join(line.rstrip() for line in lines)


def _rows(compared: Sequence[Compared], column: int) -> Iterator[str]:
    def row(label: str, texts: Iterable[str]) -> str:
        return f"{label:<{_LABEL_WIDTH}}" + "".join(f"{text:>{column}}" for text in texts)

    yield row("", (each.name for each in compared))
    for measure in compared[0].measures:
        own = [each.measure(measure.name) for each in compared]
        yield row(measure.name, map(value_text, own))
        if any(each.difference is not None for each in own):
            yield row("", map(difference_text, own))
    yield ""
    for label, texts in costs(compared).items():
        yield row(label, texts)
    yield ""
    is_scored = compared[0].is_scored
    yield compared[0].measures[0].name if is_scored else "whole right"
    for name, part in compared[0].parts.items():
        shares = (each.parts[name].passes if is_scored else each.parts[name].whole_right for each in compared)
        yield row(f"  {name} ({part.holes})", ("not scored" if share is None else f"{share:.1%}" for share in shares))


def heading(comparison: Comparison) -> str:
    """What the figures rest on."""
    cases = comparison.compared[0].cases
    kinds = Counter(case.hole.kind for case in cases)
    listed = ", ".join(f"{count} {KIND_NAMES[kind]}" for kind, count in kinds.items())
    where = _counted(comparison.files, "problem" if comparison.suite else "file")
    text = f"{_counted(comparison.holes, 'hole')} in {where}: {listed}."
    if len(comparison.compared) > 1:
        text += f" [ ] is the 95 % interval of the difference from the first, by drawing {comparison.drawn} again."
    return f"{text} {comparison.note}".rstrip()


def value_text(measure: Measure) -> str:
    """A value as it is written."""
    return {"nats": f"{measure.value:.3f}", "share": f"{measure.value:.1%}", "ratio": f"{measure.value:.2f}"}[
        measure.unit
    ]


def difference_text(measure: Measure) -> str:
    """+0.021 [+0.012 +0.030], shares in percentage points; "" for the first candidate."""
    if measure.difference is None or measure.interval is None:
        return ""
    scale, digits = {"nats": (1, 3), "share": (100, 1), "ratio": (1, 2)}[measure.unit]
    numbers = [scale * each for each in (measure.difference, measure.interval.low, measure.interval.high)]
    difference, low, high = (f"{number:+.{digits}f}" for number in numbers)
    return f"{difference} [{low} {high}]"


def verdict(measure: Measure) -> str:
    """Whether a difference from the first candidate is one for sure: "better", "worse" or ""."""
    if measure.difference is None or measure.interval is None or measure.interval.has_zero or measure.better == "one":
        return ""
    return "better" if (measure.difference > 0) == (measure.better == "higher") else "worse"


def costs(compared: Sequence[Compared]) -> dict[str, list[str]]:
    """Label → a text for each candidate."""
    found = [each.costs for each in compared]
    return {
        "first token, nothing read": [_seconds(each.first_token_unread_s) for each in found],
        "first token, all read": [_seconds(each.first_token_s) for each in found],
        "tokens a second": ["–" if each.tokens_per_s is None else f"{each.tokens_per_s:.1f}" for each in found],
        "memory": [f"{each.memory_bytes / 1e9:.2f} GB" for each in found],
    }


def as_json(comparison: Comparison) -> dict[str, Any]:
    """All of it, the single holes included."""
    return {
        "sentence": comparison.sentence,
        "holes": comparison.holes,
        "files": comparison.files,
        "drawn_again": comparison.drawn,
        "check": "" if comparison.suite else comparison.note,
        "suite": {"name": comparison.suite, "note": comparison.note} if comparison.suite else None,
        "failed": dict(comparison.failed),
        "candidates": [
            {
                "name": each.name,
                "measures": {
                    measure.name: {
                        "value": measure.value,
                        "difference": measure.difference,
                        "interval": None if measure.interval is None else [measure.interval.low, measure.interval.high],
                    }
                    for measure in each.measures
                },
                "costs": asdict(each.costs),
                "parts": {
                    name: {
                        "holes": part.holes,
                        "whole_right": part.whole_right,
                        "edit_similarity": part.similarity,
                        "passes": part.passes,
                    }
                    for name, part in each.parts.items()
                },
                "curve": [asdict(point) for point in each.curve],
                "cases": [_case(case) for case in each.cases],
            }
            for each in comparison.compared
        ],
    }


def _case(case: Case) -> dict[str, Any]:
    hole = case.hole
    return {
        "file": hole.file.name,
        "line": hole.line,
        "kind": hole.kind,
        "names_elsewhere": hole.names_elsewhere,
        "truth": hole.middle,
        **asdict(case.result),
        **asdict(case.judgement),
        "check": None if case.check is None else asdict(case.check),
        "score": None if case.score is None else asdict(case.score),
    }


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"
