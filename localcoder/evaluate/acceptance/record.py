"""One suggestion and what became of it, as a line of JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Face = Literal["app", "serve"]
Taken = Literal["all", "part", "none", "unknown", "hidden"]
"""`unknown`: nothing came later that would have told. `hidden`: it was not shown, as it was not sure enough."""


@dataclass(frozen=True)
class Suggestion:
    """What was suggested, to whom, and how long it took, counted from when it was asked for.

    `quantization` is the type of the model's file. Confidences are as in `completion.confidence`; None, as `whole_s`,
    of what was ended before it was known. Lines of `text` end with `\\n`.
    """

    face: Face
    model: str
    quantization: str
    language: str
    text: str
    first_text_s: float | None = None
    whole_s: float | None = None
    first_line_confidence: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Record:
    """`at` is when it was shown, in seconds since 1970; `taken_characters` are those that were taken.

    `stands_30s` and `stands_5min`: whether what was taken was still in the text so long after; None if that is unknown.
    `text` and `taken_text` are None unless the user wants them kept.
    """

    at: float
    face: Face
    model: str
    quantization: str
    language: str
    characters: int
    lines: int
    first_text_s: float | None
    whole_s: float | None
    first_line_confidence: float | None
    confidence: float | None
    taken: Taken
    taken_characters: int = 0
    stands_30s: bool | None = None
    stands_5min: bool | None = None
    text: str | None = None
    taken_text: str | None = None

    def as_line(self) -> str:
        """JSON without a line break in it; what is None is left out."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps({name: round(v, 4) if isinstance(v, float) else v for name, v in values.items()})


def make_record(suggestion: Suggestion, at: float, taken: Taken, taken_text: str = "", *, keep_text: bool) -> Record:
    """What is noted of a suggestion; its text only with `keep_text`."""
    text = suggestion.text
    return Record(
        at=at,
        face=suggestion.face,
        model=suggestion.model,
        quantization=suggestion.quantization,
        language=suggestion.language,
        characters=len(text),
        lines=text.strip("\n").count("\n") + 1,
        first_text_s=suggestion.first_text_s,
        whole_s=suggestion.whole_s,
        first_line_confidence=suggestion.first_line_confidence,
        confidence=suggestion.confidence,
        taken=taken,
        taken_characters=len(taken_text),
        text=text if keep_text else None,
        taken_text=taken_text if keep_text and taken_text else None,
    )


def read_record(line: str) -> Record | None:
    """None for what is no record: half a line that a kill left, or one of a version to come."""
    try:
        values: Any = json.loads(line)
        known = {name: values[name] for name in _NAMES & values.keys()}
        record = Record(**dict.fromkeys(_MAY_BE_NONE) | known)
        is_sound = all(_is_sound(name, getattr(record, name)) for name in _NAMES)
        return record if is_sound else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


_NAMES = frozenset(field.name for field in fields(Record))
_FLAGS = frozenset({"stands_30s", "stands_5min"})
_MAY_BE_NONE = frozenset(
    {"first_text_s", "whole_s", "first_line_confidence", "confidence", "text", "taken_text", *_FLAGS}
)
_TEXTS = frozenset({"model", "quantization", "language", "text", "taken_text"})
_COUNTS = frozenset({"characters", "lines", "taken_characters"})
_CHOICES: dict[str, tuple[str, ...]] = {"face": get_args(Face), "taken": get_args(Taken)}


def _is_sound(name: str, value: object) -> bool:
    if value is None:
        return name in _MAY_BE_NONE
    if name in _CHOICES:
        return value in _CHOICES[name]
    if name in _TEXTS:
        return isinstance(value, str)
    if name in _FLAGS or isinstance(value, bool):
        return name in _FLAGS and isinstance(value, bool)
    if name in _COUNTS:
        return isinstance(value, int)
    return isinstance(value, int | float) and math.isfinite(value)
