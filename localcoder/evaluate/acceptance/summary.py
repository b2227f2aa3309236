"""What the records come to: how often suggestions are taken, and what that saves, by model, language and confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from localcoder.evaluate.acceptance.log import Logged
from localcoder.evaluate.acceptance.record import Record
from localcoder.evaluate.statistics import Estimate, ratio_estimate, share_estimate

_STEPS = 10
"""Buckets of confidence, from 0 to 1."""


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
class Summary:
    """`parts` are groups by what they are grouped by. `since` and `until` are seconds since 1970.

    `dropped` older records had to make room.
    """

    everything: Group
    parts: Mapping[str, tuple[Group, ...]]
    since: float
    until: float
    dropped: int


def summarise(logged: Logged) -> Summary | None:
    """None where nothing was noted yet."""
    records = logged.records
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
