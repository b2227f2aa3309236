from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.models import store
from localcoder.models.catalog import (
    ALL_ENTRIES,
    CHECKPOINTS,
    ENTRIES,
    PUBLISHED,
    SIZES,
    Entry,
    Published,
    checkpoint_in_name,
    contradictions,
    published_of,
    size_in_name,
    type_in_name,
)
from localcoder.models.memory_fit import available_bytes, fit
from localcoder.models.pull import PartState, fetch
from localcoder.models.references import source_of
from localcoder.progress import Progress, finish


@pytest.fixture(autouse=True)
def models_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setattr(paths, "models_dir", lambda: folder)
    return folder


def test_names_say_type_and_size() -> None:
    assert type_in_name("starcoder2-3b-Q4_K_M") == "Q4_K_M"
    assert type_in_name("x.q8_0") == "Q8_0"
    assert type_in_name("x") == ""
    assert size_in_name("starcoder2-15b-instruct") is SIZES[2]
    assert size_in_name("starcoder2-3b-Q8_0") is SIZES[0]
    assert size_in_name("nano") is None


@pytest.mark.parametrize(
    ("name", "checkpoint"),
    [
        ("starcoder2:3b", "bigcode/starcoder2-3b"),
        ("starcoder2-7b.Q4_K_M", "bigcode/starcoder2-7b"),
        ("StarCoder2-15B-IQ3_XS", "bigcode/starcoder2-15b"),
        ("bigcode_starcoder2-15b-instruct-v0.1-Q8_0", "bigcode/starcoder2-15b-instruct-v0.1"),
        ("dolphincoder-starcoder2-7b", ""),
        ("starcoder2-3b-my-lora", ""),
        ("nano", ""),
    ],
)
def test_names_say_the_checkpoint(name: str, checkpoint: str) -> None:
    assert checkpoint_in_name(name) == checkpoint


def test_every_published_figure_has_a_source_and_a_model() -> None:
    checkpoints = {each.repository for each in CHECKPOINTS}
    for each in PUBLISHED:
        assert each.checkpoint in checkpoints and each.benchmark
        assert all(0 < figure < 100 for figure in each.figures.values())
        addresses = each.address.split()
        assert addresses and all(address.startswith("https://") for address in addresses)
        assert len(addresses) == len(each.source.split("; ")), "an address for each text"
    for entry in ALL_ENTRIES:
        assert published_of(entry.checkpoint), entry.name
        assert ("instruct" in entry.name) == ("instruct" in entry.checkpoint)


def test_contradictions_are_named() -> None:
    def published(figure: float, source: str, benchmark: str = "infilling") -> Published:
        return Published("x", benchmark, {"Python": figure, source: 1.0}, source, "https://x")

    low, near, high = published(48.4, "one"), published(50.0, "two"), published(74.2, "three")
    assert contradictions([low, near]) == []
    assert contradictions([high, near, low]) == ["infilling, Python: 48.4 (one) or 74.2 (three)"]
    assert contradictions([low, published(90.0, "four", "writing")]) == []
    assert any("48.4" in each and "74.2" in each for each in contradictions(published_of("bigcode/starcoder2-15b")))
    assert contradictions(published_of("bigcode/starcoder2-3b")) == []


def test_fit_says_why() -> None:
    assert fit(1_850_000_000, SIZES[0], 16_000_000_000).verdict == "fits"
    assert fit(1_850_000_000, SIZES[0], 2_300_000_000).verdict == "tight"
    refused = fit(9_860_000_000, SIZES[2], 8_000_000_000)
    assert refused.verdict == "does not fit"
    assert "10.4 GB of 8.0 GB" in refused.reason
    assert available_bytes() > 0


def test_a_file_elsewhere_is_added_by_a_link(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF...")
    added = store.add(file)
    assert store.resolve("mine") == added.path
    assert store.add(file) == added
    store.remove(added)
    assert file.exists()
    assert [model.name for model in store.installed()] == ["nano"]


def test_a_file_called_like_a_model_does_not_stand_for_it(
    tmp_path: Path, models_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = next(entry for entry in ENTRIES if entry.name == "starcoder2:3b")
    models_directory.mkdir()
    for name in ("mine.gguf", entry.file):
        (models_directory / name).write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "nano", "starcoder2:3b", "other"):
        Path(name).write_text("not a model")
    assert store.resolve("mine") == models_directory / "mine.gguf"
    assert store.resolve("starcoder2:3b") == models_directory / entry.file
    assert store.resolve("nano") == paths.bundled_model()
    assert store.resolve("./mine") == Path("mine")
    Path("mine.gguf").write_bytes(b"GGUF")
    assert store.resolve("mine.gguf") == Path("mine.gguf"), "what ends in .gguf is a path first"
    assert store.resolve("other") == Path("other"), "no model is called so"
    (models_directory / entry.file).unlink()
    with pytest.raises(LocalcoderError, match="not on this machine"):
        store.resolve("starcoder2:3b")


def test_what_is_no_model_is_not_added(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"text")
    with pytest.raises(LocalcoderError, match="not a GGUF"):
        store.add(file)
    with pytest.raises(LocalcoderError, match="cannot be read"):
        store.add(tmp_path / "none.gguf")


def test_the_bundled_model_stays() -> None:
    with pytest.raises(LocalcoderError):
        store.remove(store.installed()[0])


@dataclass
class Hub:
    """A server that speaks as much of the hub's API as a pull needs."""

    data: bytes
    ranges: list[str] = field(default_factory=list)
    url: str = ""
    served: bytes | None = None


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub(bytes(range(256)) * 20_000)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _head(self) -> bytes:
            begin = 0
            if wanted := self.headers.get("Range"):
                begin = int(wanted.removeprefix("bytes=").rstrip("-"))
                made.ranges.append(wanted)
            data = (made.served or made.data)[begin:]
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(data)))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(made.data) - 1}/{len(made.data)}")
            self.send_header("ETag", f'"{hashlib.sha256(made.data).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.end_headers()
            return data

        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            self.wfile.write(self._head())

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", made.url)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", made.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    yield made
    server.shutdown()


ENTRY = Entry("test:1", "owner/repo", "test-Q8_0.gguf", "Q8_0", 1, SIZES[0])


def pull(report: Callable[[Progress], None] = lambda progress: None) -> Path:
    return finish(fetch(source_of(ENTRY)), report)


def test_a_pull_arrives_whole_and_tells_how_far_it_is(hub: Hub) -> None:
    seen: list[Progress] = []
    path = pull(seen.append)
    assert path.read_bytes() == hub.data
    assert seen[-1].done == seen[-1].total == len(hub.data)
    assert {progress.stage for progress in seen} == {"download", "check"}
    assert not list(path.parent.glob("*.part"))


def test_a_stopped_pull_goes_on_at_the_byte(hub: Hub, models_directory: Path) -> None:
    models_directory.mkdir()
    part = models_directory / "test-Q8_0.gguf.part"
    part.write_bytes(hub.data[:1_000_000])
    digest = hashlib.sha256(hub.data).hexdigest()
    state = PartState("owner/repo", "0" * 40, "test-Q8_0.gguf", len(hub.data), digest)
    (models_directory / "test-Q8_0.gguf.part.json").write_text(json.dumps(state.__dict__))
    work = fetch(source_of(ENTRY))
    next(work)
    work.close()
    assert part.exists()
    path = pull()
    assert path.read_bytes() == hub.data
    assert any(wanted.startswith("bytes=1000000-") for wanted in hub.ranges)


def test_wrong_bytes_are_refused_and_thrown_away(hub: Hub, models_directory: Path) -> None:
    hub.served = b"\0" * len(hub.data)
    with pytest.raises(LocalcoderError, match="checksum"):
        pull()
    assert [path.name for path in models_directory.iterdir()] == [".test-Q8_0.gguf.lock"]


def test_without_a_network_it_says_so(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}"
    )
    with pytest.raises(LocalcoderError, match="cannot be fetched"):
        pull()


def test_the_catalogue_is_of_one_piece() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert all(type_in_name(entry.local_name.removesuffix(".gguf")) == entry.type_name for entry in ENTRIES)
