"""What is open, kept on disk while the app runs: it comes back after quitting, and unsaved text after a crash too.

Each running app writes `sessions/PID-START.json`. One whose process is gone was killed: its unsaved buffers are taken
over by the next start. A clean end leaves `sessions/last.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from localcoder.files import write_file
from localcoder.paths import state_dir
from localcoder.tui.files import Stamp

_RECENT = 20
"""Files that are remembered. Chosen: what a list shows without much scrolling."""


@dataclass(frozen=True)
class SavedBuffer:
    """One buffer: `text` is None when all of it is in the file at `path`. `stamp`: that file's, as it was last read."""

    path: str | None
    text: str | None
    row: int = 0
    column: int = 0
    has_bom: bool = False
    stamp: Stamp | None = None


@dataclass(frozen=True)
class Session:
    """Everything that is open; `active` is the index of the buffer in front."""

    buffers: tuple[SavedBuffer, ...]
    active: int = 0
    model: str | None = None


def keep(session: Session) -> None:
    """Write what this app has open. A disk that does not take it is no reason to stop editing."""
    with suppress(OSError):
        _write(_own_file(), asdict(session))


def finish(session: Session) -> None:
    """The app ends in order: its session becomes the last one."""
    with suppress(OSError):
        _write(_folder() / "last.json", asdict(session))
        _own_file().unlink(missing_ok=True)


def last() -> Session | None:
    """What was open when the app was last left."""
    return _read(_folder() / "last.json")


def is_first_start() -> bool:
    """Whether no app ran here before."""
    return not _folder().is_dir()


def take_lost() -> list[SavedBuffer]:
    """Unsaved buffers of apps that were killed. They belong to the caller, who keeps them from now on."""
    found: list[SavedBuffer] = []
    for path in _abandoned():
        session = _read(path)
        claimed = path.with_suffix(".taken")
        with suppress(OSError):
            # Only one of two apps that start at the same time gets it.
            path.rename(claimed)
            found += [buffer for buffer in (session.buffers if session else ()) if buffer.text is not None]
    return found


def forget_taken() -> None:
    """The buffers that were taken over are kept by this app now."""
    for path in _folder().glob("*.taken"):
        with suppress(OSError):
            path.unlink()


def recent() -> list[Path]:
    """Files that were opened or saved, newest first, those that are still there."""
    with suppress(OSError, ValueError):
        known = json.loads((_folder() / "recent.json").read_text(encoding="utf-8"))
        return [Path(path) for path in known if isinstance(path, str) and Path(path).is_file()]
    return []


def remember_file(path: Path) -> None:
    """Put a file at the head of the recent ones."""
    path = path.absolute()
    known = [path, *(other for other in recent() if other != path)]
    with suppress(OSError):
        _write(_folder() / "recent.json", [str(item) for item in known[:_RECENT]])


def _folder() -> Path:
    return state_dir() / "sessions"


def _own_file() -> Path:
    process = psutil.Process(os.getpid())
    return _folder() / f"{process.pid}-{int(process.create_time())}.json"


def _abandoned() -> Iterator[Path]:
    for path in sorted(_folder().glob("*-*.json")) + sorted(_folder().glob("*-*.taken")):
        pid, _, started = path.stem.partition("-")
        try:
            alive = int(psutil.Process(int(pid)).create_time()) == int(started)
        except (ValueError, psutil.Error):
            alive = False
        if not alive:
            yield path


def _read(path: Path) -> Session | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        buffers = tuple(_buffer(**buffer) for buffer in data["buffers"])
        return Session(buffers, int(data["active"]), data.get("model"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _buffer(*, stamp: dict[str, int] | None = None, **values: Any) -> SavedBuffer:
    return SavedBuffer(**values, stamp=Stamp(**stamp) if stamp else None)


def _write(path: Path, data: Any) -> None:
    # Unsaved text may be secret, and surrogates cannot be written as UTF-8 but can as JSON escapes.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_file(path, json.dumps(data), mode=0o600)
