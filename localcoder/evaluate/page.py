"""What was found, as one HTML file that needs nothing else: the table, plots, and the best and worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from localcoder.evaluate import plots, report
from localcoder.evaluate.compare import Case, Compared, Comparison
from localcoder.evaluate.html_page import html_page

_CASES = 10
_LINES_AROUND = 6


def page(comparison: Comparison, title: str) -> str:
    """The whole file; `title` says what was evaluated."""
    compared = comparison.compared
    failed = "".join(
        f"<p>{escape(name)} could not be measured: {escape(why)}</p>" for name, why in comparison.failed.items()
    )
    cases = "".join(_cases(each, compared[0]) for each in compared)
    return html_page(
        title,
        f'<p class="soft">{escape(report.heading(comparison))}</p>'
        f'<p class="sentence">{escape(comparison.sentence)}</p>{failed}'
        f'<div class="wide">{_table(compared)}</div>{plots.section(_plots(compared))}<h2>Cases</h2>{cases}',
    )


def _table(compared: Sequence[Compared]) -> str:
    rows = ["<tr><th></th>" + "".join(f"<th>{escape(each.name)}</th>" for each in compared) + "</tr>"]
    for measure in compared[0].measures:
        cells = ""
        for each in compared:
            own = each.measure(measure.name)
            verdict = report.verdict(own)
            cells += f'<td class="{verdict}">{report.value_text(own)}<small>{report.difference_text(own)}</small></td>'
        rows.append(f"<tr><td>{escape(measure.name)}</td>{cells}</tr>")
    for label, texts in report.costs(compared).items():
        rows.append(f"<tr><td>{escape(label)}</td>" + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>")
    return f"<table>{''.join(rows)}</table>"


def _plots(compared: Sequence[Compared]) -> list[str]:
    names = [each.name for each in compared]
    found = []
    if len(compared) > 1:
        found += [_intervals(compared, name) for name in _told_apart_by(compared[0])]
    if compared[0].is_scored:
        scored = {name: [each.parts[name].passes for each in compared] for name in compared[0].parts}
        passing = {name: [each or 0.0 for each in shares] for name, shares in scored.items() if None not in shares}
        note = "Of the tasks of each kind that are scored, those that pass with the suite's own truncation."
        found.append(plots.bars(passing, names, title="Passes", note=note))
    groups = {name: [each.parts[name].whole_right for each in compared] for name in compared[0].parts}
    note = "Of the holes of each kind, those that were filled as they had been."
    found.append(plots.bars(groups, names, title="Whole right", note=note))
    saved = {each.name: [(point.threshold, point.saved) for point in each.curve] for each in compared}
    note = "Of all characters that were cut out, taking word by word what is right."
    found.append(plots.curves(saved, title="Characters saved", y_label=note, x_label=_CONFIDENCE))
    right = {each.name: [(point.threshold, point.right) for point in each.curve if point.shown] for each in compared}
    note = "Of the suggestions that are shown, those that are right as a whole."
    found.append(plots.curves(right, title="Right, of those shown", y_label=note, x_label=_CONFIDENCE))
    shown = {each.name: [(point.threshold, point.shown) for point in each.curve] for each in compared}
    note = "Of all places, those where something is shown."
    found.append(plots.curves(shown, title="Shown", y_label=note, x_label=_CONFIDENCE))
    return found


def _told_apart_by(first: Compared) -> list[str]:
    """Measures: of a suite what passes, and in any case the nats."""
    nats = next(each.name for each in first.measures if each.unit == "nats")
    return [first.measures[0].name, nats] if first.is_scored else [nats]


def _intervals(compared: Sequence[Compared], name: str) -> str:
    rows, side = {}, ""
    for each in compared[1:]:
        own = each.measure(name)
        assert own.difference is not None and own.interval is not None
        rows[each.name] = (own.difference, own.interval.low, own.interval.high)
        side = "left" if own.better == "lower" else "right"
    note = f"Difference from {compared[0].name} with its 95 % interval; {side} is better."
    return plots.intervals(rows, title=name.capitalize(), note=note)


_CONFIDENCE = "shown from this confidence on (mean probability of a token)"


def _cases(own: Compared, first: Compared) -> str:
    """The ten best and worst: against the first candidate's, of the first one by itself."""
    if own is first:
        others: Sequence[Case | None] = [None] * len(own.cases)
    else:
        others = first.cases
    pairs = list(zip(own.cases, others, strict=True))
    ranked = sorted(pairs, key=lambda pair: _merit(pair[0]) - (_merit(pair[1]) if pair[1] is not None else 0.0))
    if own is not first:
        ranked = [pair for pair in ranked if pair[1] is not None and pair[0].result.text != pair[1].result.text]
    half = min(_CASES, (len(ranked) + 1) // 2)
    against = "" if own is first else f" against {first.name}"
    best = "".join(_case(*pair) for pair in ranked[::-1][:half])
    worst = "".join(_case(*pair) for pair in ranked[: min(half, len(ranked) - half)])
    none = '<p class="soft">There are none.</p>'
    return (
        f"<h3>{escape(own.name)}: best{escape(against)}</h3>{best or none}"
        f"<h3>{escape(own.name)}: worst{escape(against)}</h3>{worst or none}"
    )


def _merit(case: Case) -> float:
    """How near a suggestion is; among those that are equally near, what the model thought of what stood there."""
    return case.judgement.similarity - 1e-3 * case.result.nats / max(case.result.tokens, 1)


def _case(case: Case, other: Case | None) -> str:
    hole, result = case.hole, case.result
    before = hole.file.text[: hole.start].split("\n")[-_LINES_AROUND:]
    after = hole.file.text[hole.end :].split("\n")[: _LINES_AROUND // 2]
    around = [escape("\n".join(lines)) for lines in (before, after)]
    wrong = "" if case.judgement.exact else ' class="wrong"'
    said = f"confidence {result.confidence:.0%}, ended: {result.reason}"
    rows = [
        _code("What stood there", around, f"<mark>{escape(hole.middle)}</mark>"),
        _code(f"Suggested ({said})", around, f"<mark{wrong}>{escape(result.text)}</mark>"),
    ]
    if case.score is not None:
        theirs = case.score.theirs
        wrong = "" if theirs.passes else ' class="wrong"'
        passes = {None: "not scored", True: "passes", False: f"does not pass: {theirs.why}"}[theirs.passes]
        rows.append(_code(f"Their truncation ({passes})", around, f"<mark{wrong}>{escape(theirs.text)}</mark>"))
    if other is not None:
        wrong = "" if other.judgement.exact else ' class="wrong"'
        rows.append(_code("The first candidate", around, f"<mark{wrong}>{escape(other.result.text)}</mark>"))
    return (
        f"<details><summary>{escape(hole.where)} <small>{escape(hole.kind)}, similarity "
        f"{case.judgement.similarity:.2f}, {result.nats / max(result.tokens, 1):.2f} nats a token</small></summary>"
        f"{''.join(rows)}</details>"
    )


def _code(label: str, around: Sequence[str], middle: str) -> str:
    before, after = around
    return (
        f'<small>{escape(label)}</small><pre><span class="around">{before}</span>{middle}'
        f'<span class="around">{after}</span></pre>'
    )
