"""What stands in a later text where something was suggested in an earlier one."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from rapidfuzz.distance import Indel, Levenshtein

from localcoder.completion.alignment import Alignment, align
from localcoder.completion.document import Document

_SAME_TEXT = 0.5
"""Of the shorter text, the share that has to be in the other one for it to be the same text, edited."""
_FEW_LINES = 6
"""With no more lines, one edit may change most of them."""
_GONE = 0.5
"""Word edit distance from which on a text is another one, of the longer one's words."""
_EVIDENCE = 8
"""The fewest characters that two texts have in common for one to be taken for the other, edited."""
_MOST_WORDS = 20_000
"""In which words are looked for one by one; beyond, the text is taken for another one."""
_NEAR, _NEAR_WORDS = 200, 8
"""Characters, and words in them, before the cursor, half of which have to be there still for its place to be known."""
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Follows:
    """What follows in the later text on the place of the cursor of the earlier one.

    Where the code before the cursor was changed, `text` begins earlier, and `missing` is what stood between there and
    the cursor. `typed` is what alone is new, up to the later cursor; None where more than that changed.
    """

    text: str
    missing: str = ""
    typed: str | None = None


def follows(before: Document, now: Document) -> Follows | None:
    """None where it is another text, or another part of it. Lines of both end with `\\n`."""
    if not _may_be_same(before.text, now.text):
        return None
    way = align(before.text, now.text, now.cursor, slides=True)
    cursor, change_end = before.cursor, way.old_end - way.after
    if not way.old_start <= cursor <= way.old_end:
        return None
    is_before_change = cursor <= way.old_start + way.before
    if is_before_change or change_end < cursor:
        place = way.place_of_start(cursor)
        if place is None or not _is_evidence(way.before + way.after, before, now):
            return None
        is_here = cursor == way.old_start + way.before or not way.added
        is_typed = is_before_change and is_here and not way.removed and way.added == now.cursor - place
        return Follows(now.text[place:], typed=now.text[place : now.cursor] if is_typed else None)
    return _follows_word(before, now, way)


@dataclass(frozen=True)
class Place:
    """From the character `start` of a text to before the character `end`: what was taken stands there."""

    text: str
    start: int
    end: int


def stands(place: Place, now: Document, *, is_window: bool) -> bool | None:
    """Whether what was taken is still there: less than half of its words are others by now.

    None where a later text does not tell: with `is_window`, it may be another one, or another part of it.
    """
    if is_window and not _may_be_same(place.text, now.text):
        return None
    way = align(place.text, now.text, now.cursor, slides=is_window)
    if not way.old_start <= place.start <= place.end <= way.old_end:
        return None
    stretches = _changed(place.text, now.text, way)
    if stretches is None:
        return None
    old, new, pairs = stretches
    if is_window:
        evidence = way.before + way.after + sum(old[i].end() - old[i].start() for i, _ in pairs)
        if not _is_evidence(evidence, Document(place.text, 0), now):
            return None
    moved = {old[i].span(): new[j].span() for i, j in pairs}
    words = list(_WORD.finditer(place.text, *_whole_words(place)))
    kept = [span for word in words if (span := moved.get(word.span()) or _unchanged(word, way)) is not None]
    if not kept:
        was_near = _is_near(Document(place.text, place.start), way, {end for _, end in moved})
        return False if words and (was_near or not is_window) else None
    there = _WORD.findall(now.text, kept[0][0], kept[-1][1])
    return Levenshtein.normalized_distance([word[0] for word in words], there) < _GONE


def _whole_words(place: Place) -> tuple[int, int]:
    """The range of a place, and the rest of the words that it begins or ends in."""
    start, end = place.start, place.end
    while 0 < start < len(place.text) and _is_in_word(place.text, start) and _is_in_word(place.text, start - 1):
        start -= 1
    while 0 < end < len(place.text) and _is_in_word(place.text, end) and _is_in_word(place.text, end - 1):
        end += 1
    return start, end


def _unchanged(word: re.Match[str], way: Alignment) -> tuple[int, int] | None:
    """Where a word is now that is not a part of what changed."""
    start, end = word.span()
    if way.old_start <= start and end <= way.old_start + way.before:
        return start - way.old_start + way.new_start, end - way.old_start + way.new_start
    if way.old_end - way.after <= start and end <= way.old_end:
        return start - way.old_end + way.new_end, end - way.old_end + way.new_end
    return None


def _follows_word(before: Document, now: Document, way: Alignment) -> Follows | None:
    """What follows on the last word before the cursor that is still there."""
    stretches = _changed(before.text, now.text, way)
    if stretches is None:
        return None
    old, new, pairs = stretches
    evidence = way.before + way.after + sum(old[i].end() - old[i].start() for i, _ in pairs)
    if not _is_evidence(evidence, before, now):
        return None
    kept = [(old[i].end(), new[j].end()) for i, j in pairs if old[i].end() <= before.cursor]
    if not _is_near(before, way, {end for end, _ in kept}):
        return None
    unchanged = way.old_start + way.before, way.new_start + way.before
    old_end, new_end = kept[-1] if kept else unchanged
    if old_end > before.cursor:
        return None
    return Follows(now.text[new_end:], before.text[old_end : before.cursor])


def _is_near(before: Document, way: Alignment, kept: Set[int]) -> bool:
    """Whether enough of the words before the cursor are there: a bracket here and there says nothing of the place.

    `kept` are ends of words, beside those before the change.
    """
    line = before.text.rfind("\n", 0, max(before.cursor - _NEAR, 0)) + 1
    ends = [word.end() for word in _WORD.finditer(before.text, line, before.cursor)][-_NEAR_WORDS:]
    there = sum(way.old_start < end <= way.old_start + way.before or end in kept for end in ends)
    return bool(ends) and there >= len(ends) / 2


def _may_be_same(before: str, now: str) -> bool:
    """A quick look: whether half of the lines of one are in the other."""
    lines = set(before.split("\n")), set(now.split("\n"))
    fewer = min(map(len, lines))
    return fewer <= _FEW_LINES or len(lines[0] & lines[1]) >= _SAME_TEXT * fewer


def _is_evidence(characters: int, before: Document, now: Document) -> bool:
    return characters >= max(_EVIDENCE, _SAME_TEXT * min(len(before.text), len(now.text)))


def _changed(
    before: str, now: str, way: Alignment
) -> tuple[Sequence[re.Match[str]], Sequence[re.Match[str]], Sequence[tuple[int, int]]] | None:
    """The words of what changed, in both texts, and which of them are the same; None where these are too many."""
    start, end = way.before, way.after
    while start and _is_in_word(before, way.old_start + start - 1):
        start -= 1
    while end and _is_in_word(before, way.old_end - end):
        end -= 1
    old = list(_WORD.finditer(before, way.old_start + start, way.old_end - end))
    new = list(_WORD.finditer(now, way.new_start + start, way.new_end - end))
    if len(old) + len(new) > _MOST_WORDS:
        return None
    operations = Indel.opcodes([word[0] for word in old], [word[0] for word in new])
    same = [each for each in operations if each.tag == "equal"]
    pairs = [(each.src_start + i, each.dest_start + i) for each in same for i in range(each.src_end - each.src_start)]
    return old, new, pairs


def _is_in_word(text: str, offset: int) -> bool:
    return text[offset].isalnum() or text[offset] == "_"
