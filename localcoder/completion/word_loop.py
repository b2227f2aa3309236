"""Words of one line that come again and again: `[6, 6, 6, 6, …`, `the amount of amount of amount of …`."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+|([^\w\s])\1*")
"""A run of one sign is one word, so that a ruler is no loop."""
_LONGEST_UNIT = 12
"""Words of what is taken for a repeated unit."""
_ROUNDS, _ROUNDS_OF_NAMES = 8, 4
"""From so many rounds on nothing else is expected; fewer do where the unit is nothing but names, as in prose. Chosen
with `tests/benchmarks/loops.py`: of 5 million lines that people wrote, 124 are cut."""
_ROUNDS_BROKEN_OFF = 3
"""The same where the text was broken off in them. Chosen."""
_LOOKED_AT_CHARACTERS = 16_000
"""Of the code on each side. Chosen: as much as is near enough to the cursor to say what is usual there."""

Shape = tuple[str, ...]


class WordLoop:
    """Looks for a unit of some words that is repeated in the text's last line, and not around it.

    Units have the same shape when they differ in their names and numbers only: where there is `0, 0, 0`, `1, 1, 1` is
    usual, too.
    """

    def __init__(self, prefix: str, suffix: str) -> None:
        self._around = prefix[-_LOOKED_AT_CHARACTERS:], suffix[:_LOOKED_AT_CHARACTERS]
        self._usual: dict[Shape, int] | None = None
        self._seen = 0
        self._end_line()

    def _end_line(self) -> None:
        self._words: list[str] = []
        self._starts: list[int] = []
        self._begun = ""
        self._same = [0] * (_LONGEST_UNIT + 1)
        """For each period, how many words at the end equal the one that many before them."""

    def feed(self, part: str) -> int | None:
        """Take more of the text; the offset that the loop begins at, as soon as it surely is one."""
        for character in part:
            if self._begun and not _goes_on(self._begun, character):
                self._complete()
                if (found := self._loop(_ROUNDS, _ROUNDS_OF_NAMES)) is not None:
                    return found
            if character == "\n":
                self._end_line()
            elif not character.isspace():
                if not self._begun:
                    self._starts.append(self._seen)
                self._begun += character
            self._seen += 1
        return None

    def cut(self) -> int | None:
        """Where a text is to end that was broken off in a loop."""
        return self._loop(_ROUNDS_BROKEN_OFF, _ROUNDS_BROKEN_OFF)

    def held(self) -> int:
        """Offset from which on the text may be a loop's."""
        held = self._seen
        for period in range(1, min(_LONGEST_UNIT, len(self._words)) + 1):
            same = self._same[period]
            if self._words[-period].startswith(self._begun) if self._begun else same:
                usual = self._usual_rounds(self._words[-period:]) if same >= 2 * period else 1
                cut = self._too_many(period, usual)
                held = min(held, self._starts[cut] if cut < len(self._starts) else self._seen)
        return held

    def _complete(self) -> None:
        word, self._begun = self._begun, ""
        for period in range(1, min(_LONGEST_UNIT, len(self._words)) + 1):
            self._same[period] = self._same[period] + 1 if self._words[-period] == word else 0
        self._words.append(word)

    def _loop(self, least: int, least_of_names: int) -> int | None:
        for period in range(1, _LONGEST_UNIT + 1):
            rounds = 1 + self._same[period] // period
            if rounds < min(least, least_of_names):
                continue
            unit = self._words[-period:]
            if rounds >= (least_of_names if all(map(_is_word, unit)) else least):
                cut = self._too_many(period, self._usual_rounds(unit))
                return self._starts[cut] if cut + period <= len(self._words) else None
        return None

    def _too_many(self, period: int, usual: int) -> int:
        """Index of the word that the first round too many begins with."""
        return len(self._words) - self._same[period] - period + usual * period

    def _usual_rounds(self, unit: Sequence[str]) -> int:
        if self._usual is None:
            self._usual = {}
            for line in "\n".join(self._around).split("\n"):
                for shape, rounds in most_rounds(words_of(line)).items():
                    self._usual[shape] = max(rounds, self._usual.get(shape, 0))
        return self._usual.get(_shape(unit), 1)


def words_of(line: str) -> list[str]:
    return [match[0] for match in _WORD.finditer(line)]


def most_rounds(words: Sequence[str]) -> dict[Shape, int]:
    """Of each shape of unit that a line repeats: how often in a row, at most."""
    most: dict[Shape, int] = {}
    for period in range(1, min(_LONGEST_UNIT, len(words) // 2) + 1):
        same = 0
        for index in range(period, len(words)):
            same = same + 1 if words[index] == words[index - period] else 0
            if same and same % period == 0:
                shape = _shape(words[index - period + 1 : index + 1])
                most[shape] = max(most.get(shape, 1), 1 + same // period)
    return most


def _shape(unit: Sequence[str]) -> Shape:
    """The same for a unit wherever its round is begun."""
    kinds = ["0" if word[0].isdigit() else "a" if _is_word(word) else word for word in unit]
    return min(tuple(kinds[start:] + kinds[:start]) for start in range(len(kinds)))


def _goes_on(word: str, character: str) -> bool:
    return _is_word(character) if _is_word(word) else character == word[-1]


def _is_word(text: str) -> bool:
    return text[0].isalnum() or text[0] == "_"
