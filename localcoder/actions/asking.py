"""What an action is to its caller: questions to a model one after the other, and what has changed in the end.

An action is a generator. It yields an `Ask`, is sent the `Answer`, and returns the `Outcome`; it reads no file and
knows no engine, so that whoever has a model, or a list of answers, can run it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from localcoder.actions.hunks import hunks_between
from localcoder.actions.prompt import Prompt
from localcoder.actions.watch import Answer, Watch
from localcoder.code.languages import Language
from localcoder.completion.document import Document
from localcoder.completion.edits import Edit, Range, apply_edits


@dataclass(frozen=True)
class Outcome:
    """What an action changes in one file, or says.

    `before` is the file's text; it is "" for a file that is to be made. Edits are of `before` and do not overlap.
    """

    before: str
    edits: tuple[Edit, ...] = ()
    path: Path | None = None
    is_new: bool = False
    """Whether there is no file at `path` yet."""
    explanation: str = ""
    """Text for the reader; no part of any file."""
    notes: tuple[str, ...] = ()
    """What was left out and why, a line each."""

    @property
    def after(self) -> str:
        return apply_edits(self.before, self.edits)

    def then(self, other: Outcome) -> Outcome:
        """Both: `other` begins with what this one made of the file."""
        return replace(
            self,
            edits=tuple(edit for hunk in hunks_between(self.before, other.after) for edit in hunk.edits),
            explanation="\n\n".join(filter(None, (self.explanation, other.explanation))),
            notes=(*self.notes, *other.notes),
        )


@dataclass(frozen=True)
class Ask:
    """One question. `so_far` says what has changed if the answer is as much as has come."""

    prompt: Prompt
    watch: Callable[[], Watch]
    so_far: Callable[[str], Outcome]
    max_tokens: int
    what: str
    """What is being made, for whoever waits: "the docstring of `read`"."""


Plan = Generator[Ask, Answer, Outcome]


@dataclass(frozen=True)
class Task:
    """What an action works on. The text has `\\n` at line ends.

    `selection` is what is selected, or the cursor's place; None means all of the text. `follows_instructions`: the
    model was taught to, and is asked through its chat template.
    """

    document: Document
    language: Language
    selection: Range | None = None
    instruction: str = ""
    test_path: Path | None = None
    """Where tests go; None: where the language's users put them."""
    existing_tests: str = ""
    """What is in that file already."""
    as_comment: bool = False
    """Whether an explanation goes into the file."""
    follows_instructions: bool = False
    prompt_characters: int = 6_000
    """Of code that a prompt may show."""

    @property
    def text(self) -> str:
        return self.document.text


@dataclass
class Changes:
    """A text that is changed at one place after the other, from its beginning to its end."""

    text: str
    edits: list[Edit] = field(default_factory=list)

    @property
    def now(self) -> str:
        return apply_edits(self.text, self.edits)

    def place(self, offset: int) -> int:
        """Where what stood at `offset` stands now."""
        return offset + sum(
            len(edit.text) - (edit.range.end - edit.range.start) for edit in self.edits if edit.range.end <= offset
        )

    def outcome(self, path: Path | None, *more: Edit, notes: tuple[str, ...] = ()) -> Outcome:
        return Outcome(self.text, (*self.edits, *more), path, notes=notes)
