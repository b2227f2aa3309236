"""The messages between an engine and its worker, and how they are written: a line of JSON each, both ways.

    {"id": 4, "generate": {"ids": [1, 5, 3], "max_tokens": 128, …}}        to the worker
    {"id": 4, "token": {"id": 93, "text": "x", …}}                         and back

`id` numbers what was asked; every answer carries the number of its question. The other key names the message, and its
value has the dataclass's fields: bytes as hexadecimal digits, tuples as arrays. What is no such line is a WireError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from localcoder.engine.api import (
    Ended,
    Finished,
    Lora,
    MatrixInputs,
    ModelInfo,
    ReadEstimate,
    ReadProgress,
    Request,
    Token,
    TokenScore,
)

_T = TypeVar("_T")


class WireError(ValueError):
    """A line that the other side cannot have meant: damaged, or of another version of this program."""


# Questions


@dataclass(frozen=True)
class Load:
    """Load a model. `n_ctx` 0: the window (or the trained context) with room for a batch. `n_gpu_layers` −1: all.

    With `vocabulary_only` it takes a fraction of the time and of the memory, and only Tokenize and GetPieces are
    answered then. Answered by ModelInfo.
    """

    path: str
    n_threads: int
    n_ctx: int = 0
    n_gpu_layers: int = -1
    is_demo: bool = False
    loras: tuple[Lora, ...] = ()
    snapshots_dir: str | None = None
    snapshots_limit_bytes: int = 0
    parked_limit_bytes: int = 0
    power_saving: bool = False
    vocabulary_only: bool = False


@dataclass(frozen=True)
class Tokenize:
    """Answered by Ids, at once."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class GetPieces:
    """Answered by Pieces, at once."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """Answered by ReadEstimate, at once."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Ping:
    """Answered by Done, at once: the worker lives."""


@dataclass(frozen=True)
class Warm:
    """Read ahead; without `exact`, cells that are shifted will do. Answered by Done, also when it was cancelled."""

    ids: tuple[int, ...]
    exact: bool


@dataclass(frozen=True)
class Score:
    """Answered by Scores, as many as it takes, and Done."""

    ids: tuple[int, ...]
    start: int
    top: int


@dataclass(frozen=True)
class Calibrate:
    """Answered by Calibrated after each chunk, MatrixInputs for each matrix, and Done."""

    chunks: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Save:
    """Keep what the KV cache holds on disk. Answered by Done."""


@dataclass(frozen=True)
class Cancel:
    """End what was asked with this number, or with any: what ends answers, and this does not."""

    what: Literal["this", "all"]


# Answers; those of a Request are api's events


@dataclass(frozen=True)
class Ids:
    ids: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Pieces:
    pieces: tuple[bytes, ...]


@dataclass(frozen=True)
class Scores:
    """The next scores of those that were asked for."""

    scores: tuple[TokenScore, ...]


@dataclass(frozen=True)
class Calibrated:
    """So many tokens have gone through the model."""

    done: int


@dataclass(frozen=True)
class Done:
    """All of it was done."""


@dataclass(frozen=True)
class Failed:
    """A LocalcoderError in place of an answer."""

    what: str
    todo: str
    exit_code: int


Question: TypeAlias = (
    Load | Tokenize | GetPieces | Estimate | Ping | Request | Warm | Score | Calibrate | Save | Cancel
)  # fmt: skip
Answer: TypeAlias = (
    ModelInfo | Ids | Pieces | ReadEstimate | ReadProgress | Token | Ended | Finished | Scores | Calibrated
    | MatrixInputs | Done | Failed
)  # fmt: skip

_QUESTIONS: Mapping[str, type[Question]] = {
    "load": Load, "tokenize": Tokenize, "pieces": GetPieces, "estimate": Estimate, "ping": Ping, "generate": Request,
    "warm": Warm, "score": Score, "calibrate": Calibrate, "save": Save, "cancel": Cancel,
}  # fmt: skip
_ANSWERS: Mapping[str, type[Answer]] = {
    "model": ModelInfo, "ids": Ids, "pieces": Pieces, "estimate": ReadEstimate, "progress": ReadProgress,
    "token": Token, "ended": Ended, "finished": Finished, "scores": Scores, "calibrated": Calibrated,
    "inputs": MatrixInputs, "done": Done, "failed": Failed,
}  # fmt: skip
_NAMES = {kind: name for names in (_QUESTIONS, _ANSWERS) for name, kind in names.items()}


def encode(number: int, message: Question | Answer) -> bytes:
    """A message as a line, with the newline."""
    frame = {"id": number, _NAMES[type(message)]: message}
    return json.dumps(frame, separators=(",", ":"), default=_plain).encode() + b"\n"


def decode_question(line: bytes) -> tuple[int, Question]:
    """(number, message) of a line. Raises WireError."""
    return _decode(line, _QUESTIONS)


def decode_answer(line: bytes) -> tuple[int, Answer]:
    """(number, message) of a line. Raises WireError."""
    return _decode(line, _ANSWERS)


def _decode(line: bytes, kinds: Mapping[str, type[_T]]) -> tuple[int, _T]:
    try:
        number, (name, body) = _opened(json.loads(line))
        kind: Any = kinds[name]
        message: _T = _reader(kind)(body)
        return number, message
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise WireError(f"not a message: {line[:200]!r} ({error!r})") from None


def _opened(frame: dict[str, Any]) -> tuple[int, tuple[str, Any]]:
    number = frame.pop("id")
    if type(number) is not int:
        raise TypeError(number)
    (named,) = frame.items()
    return number, named


def _plain(value: object) -> object:
    """What json does not know, in terms of what it does; it asks again for what is inside."""
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(type(value))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What turns a value of JSON into one of this type. Raises TypeError, ValueError or KeyError for another one."""
    origin, of = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _dataclass_reader(kind)
    if origin is tuple:
        return _items_reader(of[0]) if of[-1] is Ellipsis else _tuple_reader(of)
    if origin in (Union, UnionType):
        (inner,) = (each for each in of if each is not NoneType)
        reader = _reader(inner)
        return lambda value: None if value is None else reader(value)
    if origin is Literal:
        return lambda value: of[of.index(value)]
    if kind is bytes:
        return bytes.fromhex
    allowed = (int, float) if kind is float else (kind,)

    def plain(value: Any) -> Any:
        # bool is an int for isinstance.
        if type(value) not in allowed:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return kind(value)

    return plain


def _dataclass_reader(kind: Any) -> Callable[[Any], Any]:
    readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}

    def read(value: Any) -> Any:
        if value.keys() != readers.keys():
            raise KeyError(value.keys() ^ readers.keys())
        return kind(**{name: reader(value[name]) for name, reader in readers.items()})

    return read


def _items_reader(kind: Any) -> Callable[[Any], Any]:
    reader = _reader(kind)

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise TypeError(f"{value!r} is no array")
        # The ids of a prompt are thousands, and all of a kind.
        if kind is int and set(map(type, value)) <= {int}:
            return tuple(value)
        return tuple(map(reader, value))

    return read


def _tuple_reader(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    readers = [_reader(kind) for kind in kinds]
    return lambda value: tuple(reader(item) for reader, item in zip(readers, value, strict=True))
