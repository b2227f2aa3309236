"""How sure the model was of a text: the geometric mean of the probabilities of its tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from localcoder.engine.api import Token

_FIRST_LINE = re.compile(r"\s*[^\n]*")


def first_line(text: str) -> str:
    """Up to the end of the first line that is not blank."""
    match = _FIRST_LINE.match(text)
    return match[0] if match else ""


def confidence(tokens: Sequence[Token], text: str) -> float | None:
    """From 0 to 1, of those tokens that this text, a beginning of what they say, comes from.

    None where there are none, or their probabilities were not asked for.
    """
    characters = _length(text)
    logprobs: list[float] = []
    seen = 0
    for token in tokens:
        if seen >= characters:
            break
        seen += _length(token.text)
        if token.logprob is not None:
            logprobs.append(token.logprob)
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else None


def _length(text: str) -> int:
    """Without returns: a shown text has them where its document has them, whatever the tokens say."""
    return len(text) - text.count("\r")
