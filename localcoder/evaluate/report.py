"""What was found, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from localcoder.evaluate.compare import Case, Compared, Comparison, Measure
from localcoder.evaluate.holes import KIND_NAMES

_LABEL_WIDTH = 26
_COLUMN_WIDTH = 24


def table(comparison: Comparison) -> str:
    """A column a candidate; below each value its difference from the first one's, with the 95 % interval."""
    compared = comparison.compared
    width = max(_COLUMN_WIDTH, *(len(each.name) + 2 for each in compared))
    lines = [" " * _LABEL_WIDTH + "".join(f"{each.name:>{width}}" for each in compared)]
    for measure in compared[0].measures:
        own = [each.measure(measure.name) for each in compared]
        lines.append(f"{measure.name:<{_LABEL_WIDTH}}" + "".join(f"{value_text(each):>{width}}" for each in own))
        if len(own) > 1:
            lines.append(" " * _LABEL_WIDTH + "".join(f"{difference_text(each):>{width}}" for each in own))
    lines.append("")
    for label, texts in costs(compared).items():
        lines.append(f"{label:<{_LABEL_WIDTH}}" + "".join(f"{text:>{width}}" for text in texts))
    lines.append("")
    for name, (count, _, _) in compared[0].parts.items():
        label = f"right: {name} ({count})"
        cells = [f"{each.parts[name][1]:.0%}" for each in compared]
        lines.append(
            f"{label:<{_LABEL_WIDTH + 12}}"[: _LABEL_WIDTH + 12]
            + "".join(f"{cell:>{width - (12 if number == 0 else 0)}}" for number, cell in enumerate(cells))
        )
    lines += ["", heading(comparison)]
    lines += [f"{name} could not be measured: {why}" for name, why in comparison.failed.items()]
    lines += ["", comparison.sentence]
    return "\n".join(line.rstrip() for line in lines)


def heading(comparison: Comparison) -> str:
    """What the figures rest on."""
    cases = comparison.compared[0].cases
    kinds = Counter(case.hole.kind for case in cases)
    listed = ", ".join(f"{count} {KIND_NAMES[kind]}" for kind, count in kinds.items())
    text = f"{_counted(comparison.holes, 'hole')} in {_counted(comparison.files, 'file')}: {listed}."
    if len(comparison.compared) > 1:
        text += f" [ ] is the 95 % interval of the difference from the first, by drawing {comparison.drawn} again."
    return text


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


def costs(compared: tuple[Compared, ...]) -> dict[str, list[str]]:
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
                    name: {"holes": count, "whole_right": right, "edit_similarity": similarity}
                    for name, (count, right, similarity) in each.parts.items()
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
    }


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"
