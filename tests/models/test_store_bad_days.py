"""The models directory on bad days: a lost index, loops, a thousand models, clocks that jump, files that go."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pytest

from converters.output import PendingFile
from localcoder import paths
from localcoder.engine.api import Request, Token
from localcoder.engine.local import LocalEngine
from localcoder.errors import LocalcoderError
from localcoder.models import bundle, licence, maintenance, provenance, store
from localcoder.models.catalog import ALL_ENTRIES, CHECKPOINTS, find
from localcoder.models.listing import listing
from localcoder.models.references import parse, source_of
from localcoder.progress import finish


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setattr(paths, "models_dir", lambda: folder)
    monkeypatch.setattr(paths, "state_dir", lambda: tmp_path / "state")
    return folder


def test_names() -> None:
    entry = find("StarCoder2:7b-Q5_K_M")
    assert entry is not None
    assert (entry.repository, entry.file) == ("QuantFactory/starcoder2-7b-GGUF", "starcoder2-7b.Q5_K_M.gguf")
    assert find("starcoder2:3b-q4_k_m") is find("starcoder2:3b")
    assert find("starcoder2:4b") is None
    assert parse("starcoder2:3b") == source_of(ALL_ENTRIES[0])
    source = parse("owner/repo/folder/x.gguf@v1")
    assert source is not None
    assert (source.repository, source.file, source.revision) == ("owner/repo", "folder/x.gguf", "v1")
    assert source.local_name == "x.gguf"
    assert parse("./x.gguf") is None
    assert len({item.name for item in ALL_ENTRIES}) == len(ALL_ENTRIES)
    assert "bigcode/starcoder2-15b-instruct-v0.1" in {item.repository for item in CHECKPOINTS}


def test_a_pulled_file_is_found_by_every_name_it_has(folder: Path) -> None:
    with pytest.raises(LocalcoderError) as raised:
        store.resolve("starcoder2:3b")
    assert raised.value.todo == "Get it: localcoder models pull starcoder2:3b"
    file = folder / "mine.gguf"
    file.write_bytes(b"GGUF")
    entry = ALL_ENTRIES[0]
    provenance.put(folder, file.name, provenance.Record(entry.repository, "c" * 40, entry.file, "a" * 64))
    for name in ("starcoder2:3b", "mine", "mine.gguf", entry.repository, f"{entry.repository}/{entry.file}", str(file)):
        assert store.resolve(name) == file
    assert [item.alias for item in listing() if item.path == str(file)] == ["starcoder2:3b"]
    assert "starcoder2:3b" not in [item.name for item in listing()]


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[1]", b'{"version": 9}', b'{"version": 1, "models": 3}', b"\xff\0" * 9]
)
def test_a_corrupt_index_is_rebuilt_from_the_files(broken: bytes, folder: Path) -> None:
    entry = next(entry for entry in ALL_ENTRIES if entry.sha256)
    (folder / entry.local_name).write_bytes(b"GGUF")
    (folder / f"{entry.local_name}.sha256").write_text(f"{entry.sha256}  {entry.local_name}\n")
    (folder / "index.json").write_bytes(broken)
    assert provenance.read(folder)[entry.local_name].repository == entry.repository
    assert store.resolve(entry.name) == folder / entry.local_name
    provenance.put(folder, "other.gguf", provenance.Record(sha256="b" * 64))
    saved = json.loads((folder / "index.json").read_text())["models"]
    assert saved[entry.local_name]["sha256"] == entry.sha256
    assert set(saved) == {entry.local_name, "other.gguf"}


def test_many_write_the_index_at_once(folder: Path) -> None:
    def work(number: int) -> None:
        for step in range(5):
            provenance.put(folder, f"{number}-{step}.gguf", provenance.Record(commit=str(number)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(provenance.read(folder)) == 20


def test_loops_of_links(folder: Path) -> None:
    (folder / "a.gguf").symlink_to(folder / "b.gguf")
    (folder / "b.gguf").symlink_to(folder / "a.gguf")
    (folder / "self").symlink_to(folder)
    (folder / "good.gguf").write_bytes(b"GGUF")
    assert [model.name for model in store.installed()] == ["nano", "good"]
    assert {item.path.name for item in maintenance.leftovers()} == {"a.gguf", "b.gguf"}
    for name in ("a", str(folder / "self" / "self" / "a.gguf"), "x" * 5000):
        with pytest.raises(LocalcoderError):
            store.resolve(name)
    with pytest.raises(LocalcoderError, match="cannot be read"):
        store.add(folder / "a.gguf")
    assert all(maintenance.delete(item) for item in maintenance.leftovers())
    assert [path.name for path in folder.glob("*.gguf")] == ["good.gguf"]


def test_the_models_directory_is_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setattr(paths, "models_dir", lambda: tmp_path / "loop")
    assert [model.name for model in store.installed()] == ["nano"]
    assert listing()[0].name == "nano"
    file = tmp_path / "x.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(LocalcoderError):
        store.add(file)
    with pytest.raises(LocalcoderError):
        finish(store.add_copy(file))


def test_a_thousand_models(folder: Path) -> None:
    for number in range(1000):
        (folder / f"m{number:04}-Q4_K_M.gguf").write_bytes(b"GGUF")
        (folder / f"m{number:04}-Q4_K_M.gguf.sha256").write_text(f"{number:064x}  x\n")
    begun = time.monotonic()
    provenance.put(folder, "m0000-Q4_K_M.gguf", provenance.Record(sha256="0" * 64))
    assert len(provenance.read(folder)) == 1000
    assert len([item for item in listing() if item.where == "here"]) == 1000
    store.remove(store.find("m0500-Q4_K_M"))
    assert time.monotonic() - begun < 3
    with pytest.raises(LocalcoderError) as raised:
        store.resolve("none")
    assert len(raised.value.todo) < 1000


def test_clocks_that_jump(folder: Path, demo_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = finish(store.add_copy(demo_model, "mine"))
    os.utime(model.path, (0, 0))
    os.utime(folder / "index.json", (4e9, 4e9))
    times = iter([2e9, 1.0, 3e9, 0.0] * 100)
    monkeypatch.setattr(time, "time", lambda: next(times))
    assert finish(maintenance.verify(model)).state == "good"
    licence.accept()
    assert licence.is_accepted()
    packed = finish(bundle.export(model, tmp_path))
    first = packed.read_bytes()
    os.utime(model.path, (3e9, 3e9))
    assert finish(bundle.export(model, tmp_path)).read_bytes() == first
    assert [item.name for item in listing() if item.where == "here"] == ["mine"]


async def test_a_model_is_deleted_while_in_use(demo_model: Path) -> None:
    model = finish(store.add_copy(demo_model, "mine"))
    engine = LocalEngine(store.resolve("mine"))
    try:
        request = Request(tuple(range(100, 120)), max_tokens=4)
        before = [event.id async for event in engine.generate(request) if isinstance(event, Token)]
        store.remove(model)
        assert [event.id async for event in engine.generate(request) if isinstance(event, Token)] == before
    finally:
        await engine.close()
    engine = LocalEngine(model.path)
    try:
        with pytest.raises(LocalcoderError, match=r"mine\.gguf"):
            await engine.info()
    finally:
        await engine.close()
    with pytest.raises(LocalcoderError, match="no model named 'mine'"):
        store.resolve("mine")
    assert provenance.read(paths.models_dir()) == {}


def test_a_copy_is_checked_and_a_damaged_one_is_noticed(demo_model: Path) -> None:
    model = finish(store.add_copy(demo_model, "mine"))
    assert finish(maintenance.verify(model)).state == "good"
    with pytest.raises(LocalcoderError, match="already"):
        finish(store.add_copy(demo_model, "mine"))
    with model.path.open("rb+") as file:
        file.seek(5_000_000)
        file.write(b"\0" * 64)
    assert finish(maintenance.verify(model)).state == "damaged"
    with pytest.raises(LocalcoderError, match="damaged"):
        finish(bundle.export(model, paths.models_dir()))
    with pytest.raises(LocalcoderError, match="No such file"):
        finish(bundle.export(store.find("nano"), paths.models_dir() / "no" / "x.zip"))
    with pytest.raises(LocalcoderError, match="the model itself"):
        finish(bundle.export(model, model.path))
    link = store.add(demo_model, "link")
    assert finish(maintenance.verify(link)).state == "unknown"


def test_a_file_that_was_written_over_is_another(demo_model: Path, folder: Path) -> None:
    model = finish(store.add_copy(demo_model, "starcoder"))
    record = provenance.of(model.path)
    assert record.licence == ""
    provenance.put(folder, model.path.name, provenance.Record("owner/repo", "c" * 40, "x.gguf", record.sha256))
    (folder / "starcoder.gguf.sha256").write_text(f"{'a' * 64}  starcoder.gguf\n")
    assert provenance.of(model.path) == provenance.Record(sha256="a" * 64)
    assert finish(maintenance.verify(model)).state == "damaged"


def test_a_copy_that_is_interrupted_leaves_nothing(demo_model: Path, folder: Path) -> None:
    work = store.add_copy(demo_model, "mine")
    next(work)
    work.close()
    assert [path.name for path in folder.iterdir() if not path.name.endswith(".lock")] == []


def test_a_bundle_goes_to_another_machine(
    demo_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    finish(store.add_copy(demo_model, "starcoder2-tiny"))
    origin = provenance.Record("owner/repo", "c" * 40, "tiny.gguf", licence=licence.OPENRAIL)
    digest = provenance.read(folder)["starcoder2-tiny.gguf"].sha256
    provenance.put(folder, "starcoder2-tiny.gguf", provenance.Record(**{**origin.__dict__, "sha256": digest}))
    packed = finish(bundle.export(store.find("starcoder2-tiny"), tmp_path))
    with zipfile.ZipFile(packed) as inside:
        assert inside.namelist() == ["bundle.json", "LICENCE.txt", "SHA256SUMS", "starcoder2-tiny.gguf"]
        assert "Attachment A" in inside.read("LICENCE.txt").decode()
        assert inside.read("SHA256SUMS").decode() == f"{digest}  starcoder2-tiny.gguf\n"
    other = tmp_path / "other" / "models"
    monkeypatch.setattr(paths, "models_dir", lambda: other)
    model = finish(bundle.install(packed))
    assert model.path.read_bytes() == demo_model.read_bytes()
    assert provenance.read(other) == provenance.read(folder)
    assert finish(maintenance.verify(model)).state == "good"
    with pytest.raises(LocalcoderError, match="already"):
        finish(bundle.install(packed))


def test_bundles_that_are_not_to_be_trusted(demo_model: Path, tmp_path: Path, folder: Path) -> None:
    packed = finish(bundle.export(store.find("nano"), tmp_path / "nano.zip"))
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LocalcoderError, match="half of one"):
        bundle.read_manifest(packed)
    packed.write_bytes(whole[:3_000_000] + b"\0" * 64 + whole[3_000_064:])
    with pytest.raises(LocalcoderError, match="damaged"):
        finish(bundle.install(packed))
    for name in ("../out.gguf", "/out.gguf", ".hidden.gguf", "out.txt", "a\\b.gguf"):
        with zipfile.ZipFile(packed, "w") as made:
            record = {"sha256": "0" * 64}
            made.writestr("bundle.json", json.dumps({"version": 1, "file": name, "size_bytes": 4, "record": record}))
            made.writestr(name, b"GGUF")
        with pytest.raises(LocalcoderError, match="not a bundle"):
            finish(bundle.install(packed))
    with pytest.raises(LocalcoderError, match="cannot be read"):
        bundle.read_manifest(tmp_path / "none.zip")
    assert [path.name for path in folder.iterdir() if path.name.endswith(("gguf", "partial"))] == []
    assert not (tmp_path / "out.gguf").exists()


def with_flag(packed: bytes, bit: int) -> bytes:
    """A ZIP whose files all have a flag set: in their own headers (PK 3 4) and in the directory (PK 1 2)."""
    made = bytearray(packed)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for match in re.finditer(re.escape(signature), packed):
            made[match.start() + offset] |= bit
    return bytes(made)


def test_bundles_that_are_encrypted_or_speak_of_endless_things(tmp_path: Path, folder: Path) -> None:
    packed = tmp_path / "x.zip"

    def pack(manifest: str, *, method: int = zipfile.ZIP_STORED) -> bytes:
        with zipfile.ZipFile(packed, "w", method) as made:
            made.writestr("bundle.json", manifest)
            made.writestr("x.gguf", b"GGUF")
        return packed.read_bytes()

    start = '{"version": 1, "file": "x.gguf", "record": {"sha256": "%s"}, "size_bytes": ' % ("0" * 64)
    whole, endless = (
        pack(start + "4}"),
        {name: pack(start + name) for name in ("1e999}", "9" * 9999 + "}", "[" * 100_000)},
    )
    packed.write_bytes(with_flag(whole, 1))
    with pytest.raises(LocalcoderError, match="password") as raised:
        finish(bundle.install(packed))
    assert raised.value.exit_code == 2 and raised.value.todo
    deflated = bytearray(pack(start + "4}" + " " * 9000, method=zipfile.ZIP_DEFLATED))
    deflated[50:60] = b"\xff" * 10
    for data in (*endless.values(), with_flag(whole, 1 << 5), bytes(deflated)):
        packed.write_bytes(data)
        with pytest.raises(LocalcoderError, match="bundle"):
            finish(bundle.install(packed))
    assert [path.name for path in folder.iterdir() if path.name.endswith(("gguf", "partial"))] == []


def test_a_bundle_with_any_bytes_wrong_is_one_line(tmp_path: Path, folder: Path) -> None:
    (folder / "a.gguf").write_bytes(b"GGUF" + bytes(300))
    packed = finish(bundle.export(store.find("a"), tmp_path / "a.zip"))
    whole, random = packed.read_bytes(), Random(1)
    (folder / "a.gguf").unlink()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(random.choice([1, 2, 4])):
            damaged[random.choice([random.randrange(len(whole)), -1 - random.randrange(400)])] = random.randrange(256)
        packed.write_bytes(damaged)
        try:
            finish(bundle.install(packed)).path.unlink()
        except LocalcoderError as error:
            assert "\n" not in error.what


def test_prune_leaves_a_running_conversion_and_may_leave_an_interrupted_one(folder: Path) -> None:
    names = [".x.gguf.journal", ".x.gguf.partial"]
    (folder / names[0]).write_text("x")
    running = PendingFile(folder / "x.gguf", 10)
    assert [maintenance.delete(item) for item in maintenance.leftovers()] == [False, False]
    running.close()
    assert {item.path.name: item.why for item in maintenance.leftovers()} == dict.fromkeys(
        names, "an interrupted conversion"
    )
    assert maintenance.leftovers(parts=False) == []
    assert all(maintenance.delete(item) for item in maintenance.leftovers())
    assert not {path.name for path in folder.iterdir()} & set(names)


def test_prune_takes_what_is_of_no_use(folder: Path) -> None:
    (folder / "good.gguf").write_bytes(b"GGUF")
    (folder / "good.gguf.sha256").write_text("0" * 64)
    (folder / "notes.txt").write_text("mine")
    useless = [".x.gguf.partial", "y.gguf.part", "y.gguf.part.json", "z.gguf.sha256", ".y.gguf.lock"]
    for name in useless:
        (folder / name).write_text("x")
    (folder / "dead.gguf").symlink_to(folder / "nothing")
    parts = {"y.gguf.part", "y.gguf.part.json", ".y.gguf.lock"}
    assert {item.path.name for item in maintenance.leftovers()} == {*useless, "dead.gguf"}
    assert {item.path.name for item in maintenance.leftovers(parts=False)} == {*useless, "dead.gguf"} - parts
    with provenance.hold(folder, "y.gguf"):
        assert not maintenance.delete(next(item for item in maintenance.leftovers() if item.path.name == "y.gguf.part"))
    for item in maintenance.leftovers():
        assert maintenance.delete(item)
    assert sorted(path.name for path in folder.iterdir()) == ["good.gguf", "good.gguf.sha256", "notes.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_network_disk_without_locks(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with provenance.hold(folder, "x.gguf"):
        provenance.put(folder, "x.gguf", provenance.Record(commit="c"))
        with pytest.raises(LocalcoderError, match="another localcoder"), provenance.hold(folder, "x.gguf"):
            pass
    assert provenance.read(folder)["x.gguf"].commit == "c"


def test_a_network_disk_that_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "scandir", fail)
    monkeypatch.setattr(os, "listdir", fail)
    assert [model.name for model in store.installed()] == ["nano"]
    with pytest.raises(LocalcoderError, match="Input/output"):
        maintenance.leftovers()
    with pytest.raises(LocalcoderError, match="no model named"):
        store.resolve("mine")


def test_the_commands_speak_json(tmp_path: Path, demo_model: Path) -> None:
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "d"), "XDG_STATE_HOME": str(tmp_path / "s")}

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "localcoder", "models", *arguments, "--json"]
        found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
        return json.loads(found.stdout)

    assert run("add", str(demo_model), "--copy", "--as", "mine")["name"] == "mine"
    assert [item["name"] for item in run()][:2] == ["nano", "mine"]
    assert run("show", "mine")["architecture"] == "starcoder2"
    assert run("show", "mine")["published"] == [], "nobody measured that one"
    assert {each["benchmark"] for each in run("show", "starcoder2:3b")["published"]} >= {"HumanEval, pass@1"}
    assert [item["state"] for item in run("verify")] == ["unknown", "good"]
    packed = run("export", "mine", str(tmp_path))["path"]
    assert run("rm", "mine")[0]["freed_bytes"] == demo_model.stat().st_size
    assert run("import", packed)["name"] == "mine"
    assert run("prune")["deleted"]


def test_show_quotes_what_was_published() -> None:
    command = [sys.executable, "-m", "localcoder", "models", "show", "starcoder2:15b"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    text = " ".join(shown.split())
    assert "Published of bigcode/starcoder2-15b in its own precision, in percent:" in text
    assert "Python 48.4 Java 60.5 JavaScript 54.7 StarCoder 2 and The Stack v2, table 16 (by an implementation" in text
    assert "https://arxiv.org/abs/2402.19173" in text
    assert "Python: 48.4 (StarCoder 2 and The Stack v2, table 16) or 74.2 (Qwen2.5-Coder, table 7" in text
