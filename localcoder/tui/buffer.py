"""A buffer: an editor, the file it is for, and what of it is saved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from localcoder.code.languages import language_of
from localcoder.tui.files import TextFile
from localcoder.tui.text.display import drawable
from localcoder.tui.widgets.editor import Editor

_FIRST_LINE = 200
"""Characters of it that are looked at. Chosen: an interpreter's line is shorter."""


@dataclass(frozen=True)
class Conflict:
    """Another program wrote the file, and the buffer has a text of its own.

    `theirs` is what the file holds now; None when it cannot be read. `stopped_saving`: a save waits for the answer.
    """

    theirs: TextFile | None
    stopped_saving: bool = False


class Buffer:
    """`saved` is the file's content as this program last read or wrote it."""

    def __init__(self, content: TextFile, path: Path | None, *, editor_id: str) -> None:
        self.saved = content
        self.path = path
        self.seen = content.stamp
        """The file's stamp when it was last looked at."""
        self.conflict: Conflict | None = None
        self.is_only_here = False
        """The file was deleted or overwritten: nothing of this text is in it."""
        self.is_language_chosen = False
        """Its language is what a user said, whatever its name."""
        self.editor = Editor(content.text, path=path, id=editor_id)

    @property
    def name(self) -> str:
        """What it is called on the screen."""
        return drawable(self.path.name) if self.path else "new buffer"

    @property
    def is_modified(self) -> bool:
        return self.is_only_here or self.editor.text != self.saved.text

    @property
    def content(self) -> TextFile:
        """What a save would write."""
        return replace(self.saved, text=self.editor.text, stamp=None)

    def is_of(self, path: Path) -> bool:
        """Whether this buffer is for that file."""
        return self.path is not None and self.path.absolute() == path.absolute()

    def set_saved(self, path: Path, content: TextFile) -> None:
        """The file at `path` holds `content`: it was written, or read anew."""
        is_renamed = path != self.path
        self.path = self.editor.path = path
        if is_renamed and not self.is_language_chosen:
            self.name_language()
        self.saved = content
        self.seen = content.stamp
        self.conflict = None
        self.is_only_here = False

    def name_language(self) -> None:
        """Take the language from the file's name, or from the first line."""
        self.editor.set_language(language_of(self.path, self.editor.document[0][:_FIRST_LINE]))
