"""The fields of a JSON body, checked as they are read. Null is as good as absent in all of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, cast

from localcoder.engine.api import Sampling

MAX_TOKENS = 4096
"""Chosen: the window of the published models. Who asks for more gets as many."""
MAX_ALTERNATIVES = 8
_LARGEST = 2**31 - 1
_MOST_REPEAT = 1 << 16
_MOST_PENALTY = 100.0
MAX_TOP = 20
"""Likeliest tokens that are told with each."""


class BadBody(Exception):
    """A field is missing or wrong; the message is one line for the client."""


def given(body: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The field's value, or the default where it is null or not there."""
    value = body.get(name)
    return default if value is None else value


def text(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A string field. Raises BadBody."""
    value = given(body, name, default)
    if not isinstance(value, str):
        raise BadBody(f"'{name}' has to be a string.")
    return value


def number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number from `low` to `high`. Raises BadBody."""
    value = _number(body, name, default)
    # An int may be too large for a float; NaN is between nothing.
    if not low <= value <= high:
        raise BadBody(f"'{name}' has to be between {low} and {high}.")
    return value


def clamped(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number; one that is too small or too large counts as the nearest that is not. Raises BadBody."""
    value = _number(body, name, default)
    if value != value:
        raise BadBody(f"'{name}' has to be a number.")
    return max(low, min(high, value))


def _number(body: Mapping[str, Any], name: str, default: float) -> float:
    value = given(body, name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBody(f"'{name}' has to be a number.")
    return value


def flag(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """True or false. Raises BadBody."""
    value = given(body, name, default)
    if not isinstance(value, bool):
        raise BadBody(f"'{name}' has to be true or false.")
    return value


def choice(body: Mapping[str, Any], name: str, choices: Sequence[str], default: str | None) -> str | None:
    """One of `choices`. Raises BadBody."""
    value = given(body, name, default)
    if value is not None and value not in choices:
        raise BadBody(f"'{name}' has to be one of {', '.join(choices)}.")
    return cast("str | None", value)


def strings(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A string, or a list of them. Raises BadBody."""
    value = given(body, name, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise BadBody(f"'{name}' has to be a string or a list of strings.")
    return tuple(listed)


def seed(body: Mapping[str, Any]) -> int:
    """The field `seed`; any where there is none or a negative one. Raises BadBody."""
    value = int(number(body, "seed", -1, -1, 2**64 - 1))
    return value % 2**32 if value >= 0 else random.getrandbits(32)


SAMPLING = frozenset(
    {
        "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "frequency_penalty",
        "presence_penalty", "seed",
    }
)  # fmt: skip
"""Fields that `sampling` reads."""


def sampling(body: Mapping[str, Any], temperature: float, *, hottest: float = 100.0) -> Sampling:
    """How tokens are chosen; all dialects name it alike. `temperature`: the usual one. Raises BadBody."""
    last = int(number(body, "repeat_last_n", 64, -1, _LARGEST))
    return Sampling(
        temperature=clamped(body, "temperature", temperature, 0, hottest),
        top_k=int(clamped(body, "top_k", 0, 0, _LARGEST)),
        top_p=clamped(body, "top_p", 1.0, 0, 1),
        min_p=clamped(body, "min_p", 0.0, 0, 1),
        repeat_penalty=clamped(body, "repeat_penalty", 1.0, 0.01, 10),
        # −1 means all that there can be.
        repeat_last_n=min(last, _MOST_REPEAT) if last >= 0 else _MOST_REPEAT,
        frequency_penalty=clamped(body, "frequency_penalty", 0.0, -_MOST_PENALTY, _MOST_PENALTY),
        presence_penalty=clamped(body, "presence_penalty", 0.0, -_MOST_PENALTY, _MOST_PENALTY),
        seed=seed(body),
    )


def first_token_s(body: Mapping[str, Any], usual: float | None) -> float | None:
    """The field `first_token_budget_ms` in seconds; None, for no limit, where it is 0. Raises BadBody."""
    budget_ms = number(body, "first_token_budget_ms", (usual or 0) * 1000, 0, 1e9)
    return budget_ms / 1000 if budget_ms else None


def tokens_wanted(body: Mapping[str, Any], names: Sequence[str], usual: int) -> int:
    """The first of the fields that is there; −1, and −2 of Ollama, mean as many as there can be. Raises BadBody."""
    for name in names:
        if body.get(name) is not None:
            wanted = int(number(body, name, usual, -2, _LARGEST))
            return min(wanted, MAX_TOKENS) if wanted >= 0 else MAX_TOKENS
    return usual


def logit_bias(body: Mapping[str, Any]) -> tuple[tuple[int | str, float], ...]:
    """The field `logit_bias`, as pairs of an id, or of a text whose ids are meant, and what is added to its logit.

    Both forms that llama-server takes: a list of pairs, or an object. False bans a token. Raises BadBody.
    """
    value = given(body, "logit_bias", [])
    pairs = list(value.items()) if isinstance(value, dict) else value
    wrong = BadBody("'logit_bias' has to be an object, or a list of pairs, of a token and a number or false.")
    if not isinstance(pairs, list):
        raise wrong
    found: list[tuple[int | str, float]] = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise wrong
        token, bias = pair
        if isinstance(token, str) and token.isascii() and token.isdigit() and isinstance(value, dict):
            # Python makes no number of thousands of digits; no vocabulary has one of more than these.
            token = int(token[:20])
        bias = -_BANNED if bias is False else bias
        if type(token) not in (int, str) or type(bias) not in (int, float) or bias != bias:
            raise wrong
        found.append((token, max(-_BANNED, min(_BANNED, bias))))
    return tuple(found)


_BANNED = 1e9
"""Of a logit: further from the others than any that a model says; infinity is no number in JSON."""


def ignored(
    body: Mapping[str, Any], known: frozenset[str], neutral: Mapping[str, Sequence[object]] | None = None
) -> tuple[str, ...]:
    """Names of fields that have no effect here; `neutral` are values of others that ask for what is done anyway."""
    neutral = neutral or {}
    return tuple(
        name
        for name, value in body.items()
        if value is not None and name not in known and value not in neutral.get(name, ())
    )
