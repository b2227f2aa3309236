"""The Hugging Face hub, for checkpoints that are converted and models that are pulled: listing, ranges, downloads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from converters.remote import RemoteFile, RemoteRepository
from localcoder.errors import LocalcoderError
from localcoder.files import is_full, reason
from localcoder.offline import online

_CHUNK_BYTES = 1 << 18


class Stopped(Exception):
    """The user cancelled."""


class NoSuchFile(LocalcoderError):
    """The repository is there, the file in it is not."""


class NoSuchRevision(LocalcoderError):
    """The repository is there, the branch, tag or commit of it is not."""


class HuggingFaceHub:
    """A `converters.remote.Hub`. `endpoint` is the hub's address; without it, huggingface_hub's own (HF_ENDPOINT)."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint

    def find(self, repository: str, revision: str) -> RemoteRepository:
        from huggingface_hub import HfApi
        from huggingface_hub.constants import ENDPOINT

        with _readable_errors(repository):
            info = HfApi(endpoint=self._endpoint).model_info(repository, revision=revision or None, files_metadata=True)
        files = {}
        for sibling in info.siblings or []:
            sha256 = sibling.lfs.sha256 if sibling.lfs else ""
            files[sibling.rfilename] = RemoteFile(sibling.rfilename, sibling.size or 0, sha256)
        commit = info.sha or revision
        page = f"{self._endpoint or ENDPOINT}/{repository}/tree/{commit}"
        return RemoteRepository(repository, commit, page, files)

    def locate(self, repository: str, name: str, revision: str) -> tuple[RemoteRepository, RemoteFile]:
        """One file, and the commit that `revision` (empty: the newest) stands for now."""
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(repository, name, revision=revision or None, endpoint=self._endpoint)
        with _readable_errors(repository, name):
            found = get_hf_file_metadata(url)
        if not found.size:
            raise LocalcoderError(f"{repository} does not say how large {name} is.", "Try again later.")
        etag = found.etag or ""
        commit = found.commit_hash or revision
        page = f"{self._endpoint or constants.ENDPOINT}/{repository}/tree/{commit}"
        file = RemoteFile(name, found.size, etag if _is_sha256(etag) else "")
        return RemoteRepository(repository, commit, page, {name: file}), file

    def read(self, repository: RemoteRepository, name: str, start: int, end: int) -> bytes:
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        if start >= end:
            return b""
        headers = {**build_hf_headers(), "Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        data = bytearray()
        request = get_session().stream("GET", self._url(repository, name), headers=headers, follow_redirects=True)
        with _readable_errors(repository.name), request as response:
            hf_raise_for_status(response)
            # A server that ignores the range sends the file from its beginning.
            skip = start if response.status_code == 200 else 0
            for chunk in response.iter_bytes():
                data += chunk[skip:]
                skip = max(0, skip - len(chunk))
                if len(data) >= end - start:
                    break
        if len(data) < end - start:
            raise LocalcoderError(f"{repository.name}: {name} ended early.", "Try again; the connection was cut.")
        return bytes(data[: end - start])

    def download(self, repository: RemoteRepository, file: RemoteFile, target: Path, stop: threading.Event) -> None:
        from huggingface_hub import constants
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers
        from huggingface_hub.utils.logging import set_verbosity_error

        def look(done: int) -> None:
            if stop.is_set():
                raise Stopped
            if done > file.size_bytes:
                raise LocalcoderError(f"{repository.name} sends more of {file.name} than there is.", "Try again later.")

        # As delivered, ten megabytes are held back in memory: on a slow line, minutes that a cut would cost.
        constants.DOWNLOAD_CHUNK_SIZE = _CHUNK_BYTES
        set_verbosity_error()
        with _readable_errors(repository.name), target.open("ab") as out:
            http_get(
                self._url(repository, file.name),
                out,
                resume_size=out.tell(),
                expected_size=file.size_bytes,
                headers=build_hf_headers(),
                tqdm_class=byte_counter(look),
            )

    def _url(self, repository: RemoteRepository, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(repository.name, name, revision=repository.commit, endpoint=self._endpoint)


def byte_counter(look: Callable[[int], None]) -> Any:
    """What huggingface_hub takes for a progress bar's class: `look` gets how many bytes are there, and may raise."""

    class Bar:
        def __init__(self, *args: object, initial: int = 0, **kwargs: object) -> None:
            self._done = initial

        def update(self, count: float | None = 1) -> None:
            self._done += int(count or 0)
            look(self._done)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *args: object) -> None:
            pass

        def close(self) -> None:
            pass

    return Bar


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdef" for character in text)


@contextmanager
def _readable_errors(repository: str, name: str = "") -> Iterator[None]:
    from huggingface_hub import errors

    try:
        with online():
            yield
    except (LocalcoderError, Stopped):
        raise
    except errors.GatedRepoError:
        raise LocalcoderError(
            f"{repository} asks for its licence to be accepted.",
            f"Accept it at https://huggingface.co/{repository}, then run `hf auth login`.",
        ) from None
    except errors.RepositoryNotFoundError:
        raise LocalcoderError(
            f"The hub has no {repository}, or it is private.", "Check the name, or run `hf auth login`.", exit_code=2
        ) from None
    except errors.RevisionNotFoundError:
        raise NoSuchRevision(f"{repository} has no such revision.", "Check --revision.", exit_code=2) from None
    except errors.EntryNotFoundError:
        raise NoSuchFile(f"{repository} has no {name or 'such file'}.", "Check the file's name.", exit_code=2) from None
    except errors.HFValidationError:
        raise LocalcoderError(f"{repository} is no name on the hub.", "It is OWNER/REPOSITORY.", exit_code=2) from None
    except errors.OfflineModeIsEnabled:
        raise LocalcoderError(
            f"{repository} cannot be fetched: HF_HUB_OFFLINE is set.", "Unset it and run it again."
        ) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        what, todo = next(
            (words for codes, words in _STATUSES.items() if status in codes),
            (f"the hub answers {status}", "Try again later."),
        )
        raise LocalcoderError(f"{repository} cannot be fetched: {what}.", todo) from None
    except OSError as error:
        todo = "Make room and run it" if is_full(error) else "Run it"
        raise LocalcoderError(
            f"{repository} cannot be fetched: {reason(error)}.", f"{todo} again: it goes on from there."
        ) from None
    except Exception as error:
        # huggingface_hub passes on what its HTTP library raises: many classes of two libraries.
        first = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise LocalcoderError(
            f"{repository} cannot be fetched: {first}.", "Check the connection and run it again: it goes on from there."
        ) from None


_STATUSES: dict[tuple[int, ...] | range, tuple[str, str]] = {
    (401,): ("the hub does not know who asks", "Run `hf auth login`, and check HF_TOKEN."),
    (403,): ("the hub refuses access", "Ask for access on its page, or check what your token may do."),
    (416,): ("the hub has less of it than is here", "Run `localcoder models prune`, then pull again."),
    (429,): ("too much was asked of the hub", "Wait some minutes and run it again: it goes on from there."),
    range(500, 600): ("the hub is out of order", "Run it again later: it goes on from there."),
}
