"""A prompt as a client wrote it: text, token ids or both, maybe with a model's fill-in-the-middle tokens in it.

Where such tokens are, the prompt is taken apart again, so that what is known of it is what an editor would have said:
the code before the cursor, the code behind it, and other files. Many clients write those of a model that they
take for granted; what they mean is the same. Everywhere else a token's name in a text is that text.

    StarCoder2  <fim_prefix>P<fim_suffix>S<fim_middle>M    before the cursor: P + M
                <fim_prefix><fim_suffix>S<fim_middle>M     SPM: P is empty, and M is all of it
                <repo_name>R<file_sep>path0⏎code0<file_sep><fim_prefix>path⏎P…
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby

from localcoder.completion.document import Document, Snippet
from localcoder.engine.api import Engine

Piece = str | int
"""A text, or a token's id."""


@dataclass(frozen=True)
class _Names:
    """A model's tokens, with the white space around them that belongs to no text."""

    prefix: str
    suffix: str
    middle: str = ""
    files: tuple[str, ...] = ()
    """Any of them begins another file."""
    repositories: tuple[str, ...] = ()
    """Before the repository's name."""
    unsaid: tuple[str, ...] = ()
    """Those that say nothing of the code."""

    @property
    def marks(self) -> re.Pattern[str]:
        names = (self.prefix, self.suffix, self.middle, *self.files, *self.repositories, *self.unsaid)
        return re.compile("|".join(f"({re.escape(name)})" for name in names if name))


_STARCODER = _Names(
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    # The second ones are the first StarCoder's.
    ("<file_sep>", "<filename>"),
    ("<repo_name>", "<reponame>"),
    ("<fim_pad>", "<|endoftext|>"),
)
_QWEN_FILES = ("<|file_sep|>", "<|file_separator|>")
_OTHERS = (
    # Qwen2.5-Coder, and CodeGemma, which has another name between files; some write spaces around the texts.
    _Names("<|fim_prefix|> ", " <|fim_suffix|>", " <|fim_middle|>", _QWEN_FILES, ("<|repo_name|>",)),
    _Names("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", _QWEN_FILES, ("<|repo_name|>",)),
    # Code Llama, as its paper writes it; some clients leave the first space out.
    _Names("<PRE> ", " <SUF>", " <MID>"),
    _Names("<PRE>", " <SUF>", " <MID>"),
    # DeepSeek-Coder
    _Names("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", unsaid=("<｜begin▁of▁sentence｜>",)),
    # CodeGeeX and GLM
    _Names("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    # Codestral: no middle, as the prefix stands behind the suffix, though some write one.
    _Names("[PREFIX]", "[SUFFIX]", "[MIDDLE]"),
    _Names("[PREFIX]", "[SUFFIX]"),
)


@dataclass(frozen=True)
class Written:
    """What a prompt with control tokens says. `is_fill`: it has a place behind the cursor, though it may be empty."""

    document: Document
    is_fill: bool = True


@dataclass(frozen=True)
class _Part:
    """A token's name, "" at the beginning of the prompt, and the text up to the next one."""

    name: str
    text: str


def take_apart(prompt: str) -> Written | None:
    """None where nothing says that it is more than a text to go on with."""
    if written := _take_apart(_split([prompt], _STARCODER), _STARCODER):
        return written
    return next((found for names in _OTHERS if (found := _take_apart(_split([prompt], names), names))), None)


async def take_apart_pieces(pieces: Sequence[Piece], engine: Engine) -> Written | None:
    """The same for a prompt of ids, or of ids and texts."""
    if all(isinstance(piece, str) for piece in pieces):
        return take_apart("".join(str(piece) for piece in pieces))
    return _take_apart(_split(await _named(pieces, engine), _STARCODER), _STARCODER)


async def text_of(pieces: Sequence[Piece], engine: Engine) -> str:
    """All of it as text, the control tokens by their names."""
    ids = [piece for piece in pieces if isinstance(piece, int)]
    known = iter(await engine.pieces(ids) if ids else [])
    data = (piece.encode("utf-8", "replace") if isinstance(piece, str) else next(known) for piece in pieces)
    return b"".join(data).decode("utf-8", "replace")


async def ids_of(pieces: Sequence[Piece], engine: Engine) -> tuple[int, ...]:
    """What is read of a text to go on with: names of control tokens are text there. Not empty."""
    texts = [piece for piece in pieces if isinstance(piece, str)]
    known = iter(await engine.tokenize(texts) if texts else [])
    ids = tuple(i for piece in pieces for i in (next(known) if isinstance(piece, str) else (piece,)))
    return ids or ((await engine.info()).special.endoftext or 0,)


async def with_control(text: str, engine: Engine) -> list[Piece]:
    """A text, with the ids of StarCoder2's tokens in the place of their names."""
    control = [i for i in astuple((await engine.info()).special) if i is not None]
    ids = dict(zip((name.decode() for name in await engine.pieces(control)), control, strict=True))
    parts: list[str] = re.split(f"({'|'.join(map(re.escape, ids))})", text)
    return [ids.get(part, part) for part in parts if part]


async def _named(pieces: Sequence[Piece], engine: Engine) -> list[str | _Part]:
    """Texts as they are, and each control id as a part of its own, so that a text of that name is no token."""
    special = (await engine.info()).special
    control = {i for i in astuple(special) if i is not None}
    found: list[str | _Part] = []
    for is_control, group in groupby(pieces, lambda piece: piece in control):
        run = list(group)
        if is_control:
            found += [_Part(name.decode(), "") for name in await engine.pieces([i for i in run if isinstance(i, int)])]
            continue
        for is_id, alike in groupby(run, lambda piece: isinstance(piece, int)):
            same = list(alike)
            found += [_Part("", await text_of(same, engine))] if is_id else [str(piece) for piece in same]
    return found


def _split(pieces: Iterable[str | _Part], names: _Names) -> list[_Part]:
    """Parts of a prompt: in strings names are tokens, in a `_Part` without a name they are not."""
    parts = [_Part("", "")]
    marks = names.marks

    def add(name: str, text: str) -> None:
        if name and name not in names.unsaid:
            parts.append(_Part(name, text))
        else:
            parts[-1] = _Part(parts[-1].name, parts[-1].text + text)

    for piece in pieces:
        if isinstance(piece, _Part):
            add(piece.name, piece.text)
            continue
        name, start = "", 0
        for match in marks.finditer(piece):
            add(name, piece[start : match.start()])
            name, start = match[0], match.end()
        add(name, piece[start:])
    return parts


def _take_apart(parts: Sequence[_Part], names: _Names) -> Written | None:
    order = [part.name for part in parts]
    if not {names.prefix, names.suffix, names.middle or names.suffix} <= set(order):
        return _without_a_hole(parts, names)
    prefix, suffix = order.index(names.prefix), order.index(names.suffix)
    middle = len(order) - 1 - order[::-1].index(names.middle) if names.middle else len(order)
    first, second = sorted((prefix, suffix))
    if second > middle or not _is_framed(parts, names):
        return None
    between, last = _text(parts[first:second]), _text(parts[second:middle])
    before, after = (between, last) if prefix < suffix else (last, between)
    # Other files stand in front of the prefix or, as some write them, in it.
    in_front = [part.text for part in parts[:first] if part.name not in names.repositories]
    within: list[str] = re.split("|".join(map(re.escape, names.files)), before) if names.files else [before]
    *others, own = [*in_front, *within]
    before = own + _text(parts[middle:])
    return Written(Document(before + after, len(before), snippets=_snippets(others)))


def _is_framed(parts: Sequence[_Part], names: _Names) -> bool:
    """Whether the tokens stand where a prompt has them, and not within code that is about such tokens."""
    last = parts[-1]
    return not parts[0].text.strip() or (bool(names.middle) and last.name == names.middle and not last.text.strip())


def _without_a_hole(parts: Sequence[_Part], names: _Names) -> Written | None:
    """Files one after the other, the last of which is gone on with."""
    beginning, *rest = parts
    files = [part.text for part in rest if part.name in names.files]
    if (
        beginning.text.strip()
        or not files
        or any(part.name not in (*names.files, *names.repositories) for part in rest)
    ):
        return None
    *others, own = files
    return Written(Document(own, len(own), snippets=_snippets(others)), is_fill=False)


def _text(parts: Sequence[_Part]) -> str:
    """Text of parts of which the first one's name is a token; those of the others are text."""
    return "".join((part.name if index else "") + part.text for index, part in enumerate(parts))


def _snippets(files: Sequence[str]) -> tuple[Snippet, ...]:
    """Their first line is the path, or else is put back in front of the rest all the same."""
    named = (file.partition("\n") for file in files if file.strip())
    return tuple(Snippet(path, code) for path, _, code in named)
