"""`localcoder models pull`, as a process, against a hub on this machine that does what a bad network does."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.faulty_hub import FILE, REPOSITORY, FaultyHub

DATA = b"GGUF" + random.Random(0).randbytes(5_000_000)
NAME = f"{REPOSITORY}/{FILE}"


@pytest.fixture
def hub() -> Iterator[FaultyHub]:
    server = FaultyHub(DATA)
    yield server
    server.shutdown()
    server.server_close()


class Machine:
    """A user's directories, and `localcoder models` run in them."""

    def __init__(self, folder: Path, hub: FaultyHub) -> None:
        self.folder = folder / "data" / "localcoder" / "models"
        self.environment = {
            **os.environ,
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_STATE_HOME": str(folder / "state"),
            "HF_ENDPOINT": hub.address,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HOME": str(folder / "hf"),
            "NO_PROXY": "127.0.0.1",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "localcoder", "models", *arguments]
        return subprocess.Popen(
            command, text=True, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, error = process.communicate(timeout=60)
        return process.returncode, out, error

    def refused(self, *arguments: str) -> str:
        """What a command that fails says: two lines at most, and no traceback."""
        code, _, error = self.run(*arguments)
        lines = [line for line in error.splitlines() if not line.startswith("Its licence is")]
        assert code in (1, 2), error
        assert lines[0].startswith("localcoder: ")
        assert len(lines) <= 2, error
        return "\n".join(lines)

    @property
    def part(self) -> Path:
        return self.folder / f"{FILE}.part"

    @property
    def file(self) -> Path:
        return self.folder / FILE

    def wait_for_part(self, size: int) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (self.part.exists() and self.part.stat().st_size >= size):
            time.sleep(0.02)
        assert self.part.stat().st_size >= size


@pytest.fixture
def machine(tmp_path: Path, hub: FaultyHub) -> Machine:
    return Machine(tmp_path, hub)


def test_a_good_day(machine: Machine, hub: FaultyHub) -> None:
    code, out, error = machine.run("pull", NAME, "--json")
    assert code == 0, error
    told = json.loads(out)
    assert machine.file.read_bytes() == DATA
    assert (told["repository"], told["commit"], told["path"]) == (REPOSITORY, "1" * 40, str(machine.file))
    assert told["sha256"] in (machine.folder / f"{FILE}.sha256").read_text()
    assert machine.run("pull", NAME)[0] == 0
    assert len(hub.ranges) == 1
    code, out, _ = machine.run("pull", REPOSITORY, "--as", "other")
    assert code == 0
    assert (machine.folder / "other.gguf").read_bytes() == DATA


def test_kill_in_the_middle_and_go_on_at_the_byte(machine: Machine, hub: FaultyHub) -> None:
    hub.piece_s = 0.02
    process = machine.start("pull", NAME)
    machine.wait_for_part(500_000)
    process.kill()
    process.communicate()
    hub.piece_s = 0
    size = machine.part.stat().st_size
    assert machine.part.read_bytes() == DATA[:size]
    # What was published meanwhile does not mix with what is here.
    hub.publish("2" * 40, b"GGUF" + bytes(5_000_000))
    assert f"{size / len(DATA):.0%} fetched" in machine.run("list")[1]
    assert machine.run("pull", NAME)[0] == 0
    assert machine.file.read_bytes() == DATA
    assert hub.ranges == [("1" * 40, 0), ("1" * 40, size)]
    assert not list(machine.folder.glob("*.part*"))


def test_a_commit_that_is_gone_is_begun_anew(machine: Machine, hub: FaultyHub) -> None:
    hub.piece_s = 0.02
    process = machine.start("pull", NAME)
    machine.wait_for_part(300_000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    hub.piece_s = 0
    hub.publish("2" * 40, b"GGUF" + bytes(4_000_000))
    hub.gone = {"1" * 40}
    assert machine.run("pull", NAME)[0] == 0
    assert machine.file.read_bytes() == hub.data
    assert hub.ranges[-1] == ("2" * 40, 0)


def test_two_pulls_of_one_model(machine: Machine, hub: FaultyHub) -> None:
    hub.piece_s = 0.03
    first = machine.start("pull", NAME)
    machine.wait_for_part(100_000)
    assert "another localcoder" in machine.refused("pull", NAME)
    assert "in use" in machine.run("prune")[2]
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert machine.file.read_bytes() == DATA
    assert len(hub.ranges) == 1


@pytest.mark.parametrize("trouble", ["drop", "stall"])
def test_what_passes_is_survived(trouble: str, machine: Machine, hub: FaultyHub) -> None:
    hub.trouble, hub.times = trouble, 2
    code, _, error = machine.run("pull", NAME)
    assert code == 0, error
    assert machine.file.read_bytes() == DATA
    starts = [start for _, start in hub.ranges]
    assert starts == sorted(set(starts))
    assert len(starts) == 3
    assert error.count("\n") <= 1


def test_a_server_without_ranges(machine: Machine, hub: FaultyHub) -> None:
    hub.trouble, hub.times = "drop", 1
    hub.piece_s = 0.02
    process = machine.start("pull", NAME)
    machine.wait_for_part(300_000)
    process.kill()
    process.communicate()
    hub.trouble, hub.piece_s = "no ranges", 0
    assert machine.run("pull", NAME)[0] == 0
    assert machine.file.read_bytes() == DATA


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("401", "hf auth login"),
        ("403", "refuses"),
        ("404", "404"),
        ("429", "Wait some minutes"),
        ("503", "out of order"),
        ("gated", "licence"),
    ],
)
def test_answers_that_are_no(trouble: str, says: str, machine: Machine, hub: FaultyHub) -> None:
    hub.trouble = trouble
    assert says in machine.refused("pull", NAME)
    assert not machine.file.exists()
    hub.trouble = ""
    assert machine.run("pull", NAME)[0] == 0


def test_wrong_bytes_are_thrown_away(machine: Machine, hub: FaultyHub) -> None:
    hub.trouble, hub.times = "wrong", 1
    assert "checksum" in machine.refused("pull", NAME)
    assert not machine.part.exists()
    assert machine.run("pull", NAME)[0] == 0


def test_lies_about_the_length(machine: Machine, hub: FaultyHub) -> None:
    hub.trouble = "sends more"
    assert "more of" in machine.refused("pull", NAME)
    assert not machine.part.exists() or machine.part.stat().st_size <= len(DATA) + 2_000_000
    hub.trouble = ""
    assert machine.run("pull", NAME)[0] == 0
    machine.run("rm", "mine-Q8_0")
    hub.trouble = "claims more"
    machine.refused("pull", NAME)
    assert not machine.file.exists()
    hub.trouble = ""
    assert machine.run("pull", NAME)[0] == 0
    assert machine.file.read_bytes() == DATA


def test_what_is_not_there(machine: Machine) -> None:
    assert FILE in machine.refused("pull", f"{REPOSITORY}/none.gguf")
    assert "no nobody/nothing" in machine.refused("pull", "nobody/nothing/x.gguf")
    assert "revision" in machine.refused("pull", NAME, "--revision", "nowhere")
    assert "Did you mean starcoder2:3b" in machine.refused("pull", "starcoder2:3bb")


def test_no_network(machine: Machine) -> None:
    machine.environment["HF_HUB_OFFLINE"] = "1"
    assert "Unset it" in machine.refused("pull", NAME)
    del machine.environment["HF_HUB_OFFLINE"]
    machine.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert "cannot be fetched" in machine.refused("pull", NAME)


def test_the_licence_is_asked_for_once(machine: Machine) -> None:
    code, _, error = machine.run("pull", "starcoder2:3b")
    assert code == 2
    assert "OpenRAIL-M" in error
    assert "--accept-licence" in error
    assert "no second-state" in machine.refused("pull", "starcoder2:3b", "--accept-licence")
    assert "no second-state" in machine.refused("pull", "starcoder2:3b")


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal")
def test_on_a_terminal(machine: Machine, hub: FaultyHub) -> None:
    import pexpect

    def run(*arguments: str) -> pexpect.spawn[str]:
        command = ["-m", "localcoder", "models", *arguments]
        environment = {**machine.environment, "TERM": "xterm", "NO_COLOR": "1"}
        size = (24, 110)
        return pexpect.spawn(sys.executable, command, env=environment, dimensions=size, encoding="utf8", timeout=20)

    hub.piece_s = 0.02
    terminal = run("pull", NAME)
    terminal.expect(r"Downloading .*MB/s.* 0:00:0\d")
    terminal.expect(pexpect.EOF)
    assert "mine-Q8_0" in terminal.before.splitlines()[-1]
    for answer in ("n", "y"):
        terminal = run("pull", "starcoder2:3b")
        terminal.expect("Do you agree")
        terminal.sendline(answer)
        terminal.expect("Nothing was fetched" if answer == "n" else "The hub has no second-state")
        terminal.expect(pexpect.EOF)
    terminal = run("pull", "starcoder2:3b")
    terminal.expect(["The hub has no second-state", "Do you agree"])
    assert "second-state" in terminal.after


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "data"
    folder.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("needs the right to mount a tmpfs")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_the_disk_is_too_small(small_disk: Path, machine: Machine, hub: FaultyHub) -> None:
    (small_disk / "other").write_bytes(bytes(5_000_000))
    assert "are free" in machine.refused("pull", NAME)
    assert hub.ranges == []
    (small_disk / "other").unlink()
    assert machine.run("pull", NAME)[0] == 0


def test_the_disk_fills_in_the_middle(small_disk: Path, machine: Machine, hub: FaultyHub) -> None:
    hub.piece_s = 0.03
    process = machine.start("pull", NAME)
    machine.wait_for_part(300_000)
    (small_disk / "other").write_bytes(bytes(5_000_000))
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1, error
    assert "the disk is full" in error
    assert "Traceback" not in error
    size = machine.part.stat().st_size
    assert machine.part.read_bytes() == DATA[:size]
    (small_disk / "other").unlink()
    hub.piece_s = 0
    assert machine.run("pull", NAME)[0] == 0
    assert machine.file.read_bytes() == DATA
    assert hub.ranges[-1] == ("1" * 40, size)


def test_a_read_only_disk(small_disk: Path, machine: Machine) -> None:
    assert machine.run("pull", NAME)[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert machine.run("list")[0] == 0
    assert "mine-Q8_0" in machine.run("list")[1]
    assert machine.run("verify", "mine-Q8_0")[0] == 1, "it is no model, and that can still be said"
    for arguments in (["rm", "mine-Q8_0"], ["pull", NAME, "--as", "x"], ["add", str(machine.file), "--as", "y"]):
        assert "Read-only" in machine.refused(*arguments)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
