"""What the records come to: how often suggestions are taken, and what that saves, by model, language and confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from localcoder.evaluate.acceptance.log import Logged
from localcoder.evaluate.acceptance.record import Record
from localcoder.evaluate.statistics import Estimate, ratio_estimate, share_estimate

_STEPS = 10
"""Buckets of confidence, from 0 to 1."""
_THRESHOLDS = 20
"""Steps between 0 and 1 of a least confidence."""
FEWEST_TAKEN = 30
"""Chosen: with fewer suggestions that were taken, a threshold would be a guess."""
MOST_LOST = 0.05
"""Of the characters that are taken, what a threshold may lose at most, with 95 %. Chosen."""


@dataclass(frozen=True)
class Group:
    """Records that have something in common; estimates are None where no record tells.

    `shown` are those of which is known what became of them, `unknown` the others. `taken` and `whole` are shares of the
    former, `saved` are characters taken for each of them. `stands_30s` and `stands_5min` are shares of those taken of
    which that is known.
    """

    name: str
    shown: int
    unknown: int
    taken: Estimate | None
    whole: Estimate | None
    saved: Estimate | None
    saved_characters: int
    stands_30s: Estimate | None
    stands_5min: Estimate | None


@dataclass(frozen=True)
class Threshold:
    """When only suggestions with this confidence in their first line are shown: the share of those that nobody took
    that is `spared`, and the share of the characters that were taken that is `lost`.
    """

    least_confidence: float
    spared: Estimate
    lost: Estimate


@dataclass(frozen=True)
class Advice:
    """Thresholds for the model that suggested most, and which of them to set: `best` is None where none is worth it.

    `taken` is how many suggestions that rests on; with fewer than `FEWEST_TAKEN` there are no thresholds.
    """

    model: str
    taken: int
    thresholds: tuple[Threshold, ...]
    best: Threshold | None


@dataclass(frozen=True)
class Summary:
    """`parts` are groups by what they are grouped by. `since` and `until` are seconds since 1970.

    `dropped` older records had to make room. `hidden` suggestions were not shown, as they were not sure enough: what
    would have become of them nobody knows.
    """

    everything: Group
    parts: Mapping[str, tuple[Group, ...]]
    since: float
    until: float
    dropped: int
    hidden: int
    advice: Advice


def summarise(logged: Logged) -> Summary | None:
    """None where nothing was noted yet."""
    records = [record for record in logged.records if record.taken != "hidden"]
    if not records:
        return None
    return Summary(
        _group("all", records),
        {
            "model": _groups(records, _model_name, _by_count),
            "language": _groups(records, lambda record: record.language, _by_count),
            "confidence of the first line": _groups(records, _bucket, _by_name),
        },
        min(record.at for record in records),
        max(record.at for record in records),
        logged.dropped,
        len(logged.records) - len(records),
        _advice(records),
    )


def _groups(
    records: Iterable[Record], name_of: Callable[[Record], str], order: Callable[[Group], tuple[int, str]]
) -> tuple[Group, ...]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(name_of(record), []).append(record)
    return tuple(sorted((_group(name, group) for name, group in found.items()), key=order))


def _model_name(record: Record) -> str:
    """Most names have the type in them."""
    return record.model if record.quantization in record.model else f"{record.model} {record.quantization}"


def _by_count(group: Group) -> tuple[int, str]:
    return -group.shown - group.unknown, group.name


def _by_name(group: Group) -> tuple[int, str]:
    return 0, group.name


def _bucket(record: Record) -> str:
    sure = record.first_line_confidence
    if sure is None:
        return "unknown"
    step = min(int(sure * _STEPS), _STEPS - 1)
    return f"{step / _STEPS:.1f} to {(step + 1) / _STEPS:.1f}"


def _advice(records: Sequence[Record]) -> Advice:
    """The highest threshold that surely loses little."""
    model = Counter(map(_model_name, records)).most_common(1)[0][0]
    own = [
        record
        for record in records
        if _model_name(record) == model and record.taken != "unknown" and record.first_line_confidence is not None
    ]
    taken = sum(record.taken_characters > 0 for record in own)
    if taken < FEWEST_TAKEN:
        return Advice(model, taken, (), None)
    found = [threshold for step in range(1, _THRESHOLDS) if (threshold := _threshold(own, step / _THRESHOLDS))]
    best = [each for each in found if each.lost.high <= MOST_LOST and each.spared.value > 0]
    return Advice(model, taken, tuple(found), best[-1] if best else None)


def _threshold(records: Sequence[Record], least: float) -> Threshold | None:
    below = [record.first_line_confidence is not None and record.first_line_confidence < least for record in records]
    characters = [record.taken_characters for record in records]
    spared = share_estimate(
        sum(is_below and not count for is_below, count in zip(below, characters, strict=True)), characters.count(0)
    )
    lost = ratio_estimate([count * is_below for count, is_below in zip(characters, below, strict=True)], characters)
    return Threshold(least, spared, lost) if spared and lost else None


def _group(name: str, records: Sequence[Record]) -> Group:
    known = [record for record in records if record.taken != "unknown"]
    return Group(
        name=name,
        shown=len(known),
        unknown=len(records) - len(known),
        taken=share_estimate(sum(record.taken != "none" for record in known), len(known)),
        whole=share_estimate(sum(record.taken == "all" for record in known), len(known)),
        saved=ratio_estimate([record.taken_characters for record in known]),
        saved_characters=sum(record.taken_characters for record in known),
        stands_30s=_share_of(record.stands_30s for record in known),
        stands_5min=_share_of(record.stands_5min for record in known),
    )


def _share_of(answers: Iterable[bool | None]) -> Estimate | None:
    known = [answer for answer in answers if answer is not None]
    return share_estimate(sum(known), len(known))
