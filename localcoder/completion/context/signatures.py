"""What a file needs from elsewhere, as pieces that a prompt begins with: the signatures, gathered by file.

    src/models.py                   one piece
    class User(Base):
        def __init__(self, name: str) -> None: ...
    def load(path: Path) -> User: ...

The bodies of dependencies cost most of the tokens and none of the accuracy (Hierarchical Context Pruning,
arXiv 2406.18294).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from localcoder.code.languages import Language
from localcoder.code.outline import Definition
from localcoder.completion.context.likeness import is_too_like
from localcoder.completion.document import Snippet
from localcoder.repository.needs import Need, Needs


@dataclass(frozen=True)
class Piece:
    """One file's signatures in a prompt. `names` are those that the file at the cursor uses, and how each was found.

    `origin` is repository or library; `library` what it was installed with.
    """

    snippet: Snippet
    origin: str
    library: str
    names: tuple[tuple[str, str], ...]


def gather(
    needs: Needs, language: Language, budget_characters: int, *, libraries: bool = True, near: str = ""
) -> tuple[Piece, ...]:
    """Pieces of at most `budget_characters`, ordered by path: the repository's first to be taken, then by first use.

    What has half of its words in common with `near`, the lines around the cursor, stays out. The standard library does:
    a model knows it.
    """
    origins = ("repository", "library") if libraries else ("repository",)
    wanted = [need for need in needs.needs if need.found.origin in origins]
    taken: list[tuple[Need, str]] = []
    names: set[str] = set()
    size = 0
    for need in sorted(wanted, key=lambda each: origins.index(each.found.origin)):
        text = _signature(need, language)
        name = need.found.name
        cost = len(text) + (0 if name in names else len(name) + 1)
        if size + cost > budget_characters or is_too_like(text, near):
            continue
        size += cost
        names.add(name)
        taken.append((need, text))
    taken.sort(key=lambda each: (each[0].found.name, each[0].definition.line))
    return tuple(_piece(list(found)) for _, found in groupby(taken, key=lambda each: each[0].found.name))


def _piece(found: Sequence[tuple[Need, str]]) -> Piece:
    first = found[0][0].found
    text = "".join(text for _, text in found)
    return Piece(
        Snippet(first.name, text), first.origin, first.library, tuple((need.use, need.why) for need, _ in found)
    )


def _signature(need: Need, language: Language) -> str:
    definition = need.definition
    lines = _lines(definition, language)
    if definition.container and language.name == "python":
        lines = [f"class {definition.container}:", *_indented(lines)]
    for member in need.members:
        lines += _indented(_lines(member, language))
    return "\n".join(lines) + "\n"


def _lines(definition: Definition, language: Language) -> list[str]:
    """Without a body, in Python as a stub has it, which is a whole statement."""
    signature = definition.signature
    if language.name == "python" and definition.kind == "function":
        signature += " ..."
    return signature.splitlines()


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
