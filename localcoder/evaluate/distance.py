"""How far a model's predictions are from a reference's: KL divergence and the likeliest token, position by position."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from localcoder.engine.api import TokenScore
from localcoder.errors import LocalcoderError

LIKELIEST = 128
"""Tokens of each position that are compared one by one; all others together count as one more.

That makes the divergence a lower bound. Chosen: on the bundled model the rest has 0.5 % of the probability.
"""
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Predictions:
    """The likeliest tokens at each position of a text, best first: arrays of positions × tokens.

    `middle` is that text as ids.
    """

    middle: tuple[int, ...]
    ids: npt.NDArray[np.int32] = field(repr=False)
    logprobs: npt.NDArray[np.float32] = field(repr=False)

    @classmethod
    def of(cls, middle: Sequence[int], scores: Sequence[TokenScore]) -> Predictions:
        ids = np.array([[token for token, _ in score.top] for score in scores], np.int32)
        logprobs = np.array([[logprob for _, logprob in score.top] for score in scores], np.float32)
        return cls(tuple(middle), ids, logprobs)

    def as_json(self) -> dict[str, Any]:
        return {"middle": self.middle, "ids": _encoded(self.ids), "logprobs": _encoded(self.logprobs)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Predictions:
        middle = tuple(value["middle"])
        shape = (len(middle), -1) if middle else (0, 0)
        ids = np.frombuffer(base64.b64decode(value["ids"]), np.int32).reshape(shape)
        logprobs = np.frombuffer(base64.b64decode(value["logprobs"]), np.float32).reshape(shape)
        return cls(middle, ids, logprobs)


@dataclass(frozen=True)
class Distance:
    """Sums over the positions: KL divergence from the reference in nats, and where the likeliest token is the same."""

    kl_nats: float
    same_top: int


def distance(reference: Predictions, own: Predictions) -> Distance:
    """Raises LocalcoderError (exit code 2) when the two models cut text into different tokens."""
    if reference.middle != own.middle:
        raise LocalcoderError(
            "The reference cuts text into other tokens than this model.",
            "Take a reference of the same vocabulary, such as the same model in Q8_0.",
            exit_code=2,
        )
    kl_nats, same = 0.0, 0
    for p_ids, p_logs, q_ids, q_logs in zip(reference.ids, reference.logprobs, own.ids, own.logprobs, strict=True):
        _, p_at, q_at = np.intersect1d(p_ids, q_ids, assume_unique=True, return_indices=True)
        p, q = np.exp(p_logs[p_at].astype(np.float64)), np.exp(q_logs[q_at].astype(np.float64))
        p, q = (np.maximum(np.append(each, 1 - each.sum()), _SMALLEST) for each in (p, q))
        kl_nats += max(0.0, float((p * np.log(p / q)).sum()))
        same += int(p_ids[0] == q_ids[0])
    return Distance(kl_nats, same)


def _encoded(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
