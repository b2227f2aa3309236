"""The Hugging Face hub as a place that checkpoints are converted from: listing, ranges, downloads that go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from converters.remote import RemoteFile, RemoteRepository
from localcoder.errors import LocalcoderError


class Stopped(Exception):
    """The user cancelled."""


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
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        def raise_if_stopped(_: int) -> None:
            if stop.is_set():
                raise Stopped

        with _readable_errors(repository.name), target.open("ab") as out:
            http_get(
                self._url(repository, file.name),
                out,
                resume_size=out.tell(),
                expected_size=file.size_bytes,
                headers=build_hf_headers(),
                tqdm_class=byte_counter(raise_if_stopped),
            )

    def _url(self, repository: RemoteRepository, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(repository.name, name, revision=repository.commit, endpoint=self._endpoint)


def byte_counter(add: Callable[[int], None]) -> Any:
    """What huggingface_hub takes for a progress bar's class: `add` gets the bytes that came, and may raise Stopped."""

    class Bar:
        def __init__(self, *args: object, **kwargs: object) -> None:
            pass

        def update(self, count: float | None = 1) -> None:
            add(int(count or 0))

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *args: object) -> None:
            pass

        def close(self) -> None:
            pass

    return Bar


@contextmanager
def _readable_errors(repository: str) -> Iterator[None]:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except (LocalcoderError, Stopped):
        raise
    except GatedRepoError:
        raise LocalcoderError(
            f"{repository} asks for its licence to be accepted.",
            f"Accept it at https://huggingface.co/{repository}, then run `hf auth login`.",
        ) from None
    except RepositoryNotFoundError:
        raise LocalcoderError(
            f"The hub has no {repository}, or it is private.", "Check the name, or run `hf auth login`.", exit_code=2
        ) from None
    except RevisionNotFoundError:
        raise LocalcoderError(f"{repository} has no such revision.", "Check --revision.", exit_code=2) from None
    except OSError as error:
        raise LocalcoderError(
            f"{repository}: {error.strerror or str(error).splitlines()[0]}.", "Run it again: it goes on from there."
        ) from None
    except Exception as error:
        # huggingface_hub passes on what its HTTP library raises: many classes of two libraries.
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LocalcoderError(
            f"{repository} cannot be fetched: {first}", "Check the connection and run it again: it goes on from there."
        ) from None
