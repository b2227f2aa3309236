"""Which of many labels are meant by some letters of them: the letters in their order, what is between left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

_SLICE = 4_096
"""Labels between two looks at whether somebody still wants to know. Chosen: a few milliseconds."""
_START = 60.0
"""Points for a file's name that begins with what is typed. Chosen: it wins over a closer hit inside."""
_FIRST = 40.0
"""Points for a name that begins with the first letter. Chosen: people type what names begin with."""
_LENGTH = 0.2
"""Points that each character of a label costs."""


class Ranked:
    """Labels with what stands behind a slash as their names, which count double. More may be added at any time, from
    another thread too."""

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._labels: list[str] = []
        self._lowered: list[str] = []
        self.add(labels)

    def add(self, labels: Iterable[str]) -> None:
        for label in labels:
            self._lowered.append(label.lower())
            self._labels.append(label)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> str:
        return self._labels[index]

    def best(self, query: str, limit: int, *, given_up: Callable[[], bool] = lambda: False) -> tuple[list[int], int]:
        """The best ones, as indices, the best first, and how many there are in all; in their order for an empty query.

        Each of several words must be there, in any order. Small letters mean any case, a capital only itself.
        `given_up` is asked now and then whether the answer is still wanted; if not, it is empty.
        """
        count, words = len(self), query.split()
        if not words:
            return list(range(min(limit, count))), count
        kept: list[int] = []
        patterns = [_pattern(word) for word in words]
        for start in range(0, count, _SLICE):
            if given_up():
                return [], 0
            some: Iterable[int] = range(start, min(start + _SLICE, count))
            for word, pattern in zip(words, patterns, strict=True):
                labels = self._searched(word)
                some = [index for index in some if pattern.match(labels[index])]
            kept += some
        if not kept:
            return [], 0
        order = np.argsort(-self._scores(words, kept), kind="stable")[:limit]
        return [kept[position] for position in order], len(kept)

    def marks(self, query: str, index: int) -> set[int]:
        """Which characters of a label are what was typed."""
        marks: set[int] = set()
        for word in query.split():
            label = self._searched(word)[index]
            name = label.rfind("/") + 1
            at = label.find(word, name)
            at = label.rfind(word) if at < 0 else at
            if at >= 0:
                marks |= set(range(at, at + len(word)))
                continue
            # From the end: there the name is.
            end = len(label)
            for character in reversed(word):
                end = label.rfind(character, 0, end)
                marks.add(end)
        return marks

    def _searched(self, word: str) -> list[str]:
        return self._lowered if word == word.lower() else self._labels

    def _scores(self, words: list[str], kept: list[int]) -> npt.NDArray[np.float64]:
        scores = np.array([-_LENGTH * len(self._labels[index]) for index in kept])
        for word in words:
            pattern, searched = _pattern(word), self._searched(word)
            labels = [searched[index] for index in kept]
            names = [label.rpartition("/")[2] for label in labels]
            in_name = [2.0 if pattern.match(name) else 0.0 for name in names]
            scores += process.cdist([word], labels, scorer=fuzz.partial_ratio)[0]
            # How close the letters stand, and how much else there is.
            for scorer in (fuzz.partial_ratio, fuzz.ratio):
                scores += in_name * process.cdist([word], names, scorer=scorer)[0]
            begins = zip(in_name, names, strict=True)
            scores += [_START * name.startswith(word) + _FIRST * (has and name[0] == word[0]) for has, name in begins]
        return scores


def _pattern(word: str) -> re.Pattern[str]:
    """Its letters in their order. Each gap ends at the first of the next letter: there is nothing to try again."""
    return re.compile("".join(f"[^{re.escape(letter)}]*{re.escape(letter)}" for letter in word))
