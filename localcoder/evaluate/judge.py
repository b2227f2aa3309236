"""A suggestion against what stood there: is it the same, how near is it, does it parse, what would it have saved."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from localcoder.code.surroundings import surroundings
from localcoder.evaluate.holes import Hole
from localcoder.evaluate.measure import Result


@dataclass(frozen=True)
class Judgement:
    """`similarity` is 1 for the same text, 0 for one that shares nothing; `saved` and `characters` count characters."""

    exact: bool
    similarity: float
    parses: bool
    length: int
    characters: int
    saved: int


def judge(hole: Hole, result: Result) -> Judgement:
    """White space at the end, and how lines end, do not count."""
    said, truth = _plain(result.text), _plain(hole.middle)
    return Judgement(
        exact=said == truth,
        similarity=float(Levenshtein.normalized_similarity(said, truth)),
        parses=said == truth or _parses(hole, result.text),
        length=len(said),
        characters=len(truth),
        saved=_saved(said, truth),
    )


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip()


def _parses(hole: Hole, text: str) -> bool:
    """Whether it makes no more errors than what stood there."""
    document = hole.document
    place = surroundings(hole.file.language, _unix(document.prefix), _unix(document.suffix))
    return place.fit(_unix(text)).flaws <= place.fit(_unix(hole.middle)).flaws


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")


def _saved(said: str, truth: str) -> int:
    """Characters that need not be typed when the suggestion is taken word by word as long as it is right."""
    saved = 0
    for word in re.finditer(r"\w+|\s+|[^\w\s]", said):
        end = word.end()
        is_cut_short = word[0][-1].isalnum() and truth[end : end + 1].isalnum()
        if truth[word.start() : end] != word[0] or is_cut_short:
            break
        saved = end
    return saved
