"""A buffer: an editor, the file it is for, and what of it is saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localcoder.tui.files import TextFile
from localcoder.tui.widgets.editor import Editor


@dataclass(frozen=True)
class Stamp:
    """A file's identity at one time; None for a file that is not there."""

    modified_ns: int
    size_bytes: int

    @staticmethod
    def of(path: Path | None) -> Stamp | None:
        if path is None:
            return None
        try:
            status = path.stat()
        except OSError:
            return None
        return Stamp(status.st_mtime_ns, status.st_size)


class Buffer:
    """`saved` is the file's content as this program last read or wrote it."""

    def __init__(self, content: TextFile, path: Path | None, *, editor_id: str) -> None:
        self.saved = content
        self.path = path
        self.stamp = Stamp.of(path)
        self.editor = Editor(content.text, path=path, id=editor_id)

    @property
    def name(self) -> str:
        return self.path.name if self.path else "new buffer"

    @property
    def is_modified(self) -> bool:
        return self.editor.text != self.saved.text

    @property
    def content(self) -> TextFile:
        """What a save would write."""
        return TextFile(self.editor.text, self.saved.has_bom)

    def is_of(self, path: Path) -> bool:
        """Whether this buffer is for that file."""
        return self.path is not None and self.path.absolute() == path.absolute()

    def was_saved(self, path: Path, content: TextFile) -> None:
        self.path = self.editor.path = path
        self.saved = content
        self.stamp = Stamp.of(path)

    def changed_on_disk(self) -> bool:
        """Whether another program wrote or deleted the file since; asked once for each change."""
        now = Stamp.of(self.path)
        if now == self.stamp:
            return False
        self.stamp = now
        return True
