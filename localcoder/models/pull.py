"""Fetching a model from the Hugging Face hub: resumed at the byte, checked, and moved into place when it is whole."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.models.catalog import Entry
from localcoder.models.hub import Stopped, byte_counter

_REPORT_S = 0.2
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class PullProgress:
    """`stage` is "fetching" or "checking"; `bytes_per_s` counts from the start of the stage."""

    stage: str
    done_bytes: int
    total_bytes: int
    bytes_per_s: float


def pull(entry: Entry, report: Callable[[PullProgress], None], stop: threading.Event) -> Path | None:
    """Fetch into the models directory; returns the file, or None when `stop` was set in the middle.

    What was fetched stays in a `.part` file, and the next call goes on from there. Raises LocalcoderError.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get

    target = paths.models_dir() / entry.local_name
    part = target.with_suffix(".gguf.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        metadata = get_hf_file_metadata(hf_hub_url(entry.repository, entry.file))
        total = metadata.size or entry.size_bytes
        done = part.stat().st_size if part.exists() else 0
        if done > total:
            part.unlink()
            done = 0
        _check_space(target.parent, total - done)
        url = hf_hub_url(entry.repository, entry.file, revision=metadata.commit_hash)
        with part.open("ab") as file:
            http_get(
                url,
                file,
                resume_size=done,
                expected_size=total,
                tqdm_class=byte_counter(_Meter("fetching", done, total, report, stop).add),
            )
        expected = entry.sha256 or (metadata.etag if metadata.etag and len(metadata.etag) == 64 else "")
        if expected and _sha256(part, total, report, stop) != expected:
            part.unlink()
            raise LocalcoderError(f"{entry.file} is not what was published: its checksum differs.", "Pull it again.")
        part.replace(target)
    except Stopped:
        return None
    except LocalcoderError:
        raise
    except OSError as error:
        raise LocalcoderError(
            f"{entry.name} could not be fetched: {error.strerror or error}.",
            "What was fetched is kept; pulling again goes on from there.",
        ) from None
    except Exception as error:
        # huggingface_hub passes on what its HTTP library raises: many classes of two libraries.
        raise LocalcoderError(
            f"{entry.name} could not be fetched: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            "Check the connection; what was fetched is kept, and pulling again goes on from there.",
        ) from None
    return target


class _Meter:
    """Counts bytes, reports now and then, and raises Stopped when asked to stop."""

    def __init__(
        self, stage: str, done: int, total: int, report: Callable[[PullProgress], None], stop: threading.Event
    ) -> None:
        self._stage, self._done, self._total = stage, done, total
        self._report, self._stop = report, stop
        self._begun_at, self._begun_with = time.monotonic(), done
        self._reported_at = 0.0

    def add(self, count: int) -> None:
        if self._stop.is_set():
            raise Stopped
        self._done += count
        now = time.monotonic()
        if now - self._reported_at >= _REPORT_S or self._done >= self._total:
            self._reported_at = now
            rate = (self._done - self._begun_with) / max(now - self._begun_at, 1e-6)
            self._report(PullProgress(self._stage, self._done, self._total, rate))


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise LocalcoderError(
            f"{needed / 1e9:.1f} GB are needed in {folder}, {free / 1e9:.1f} GB are free.", "Make room and pull again."
        )


def _sha256(path: Path, total: int, report: Callable[[PullProgress], None], stop: threading.Event) -> str:
    meter = _Meter("checking", 0, total, report, stop)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            meter.add(len(chunk))
    return digest.hexdigest()
