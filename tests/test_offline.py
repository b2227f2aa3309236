"""Nothing but a pull or a conversion from the hub reaches another machine."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
GUARDED = """
import socket, sys
from localcoder.errors import LocalcoderError
from localcoder.offline import allow, guard, online
guard()
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
socket.create_connection(("localhost", server.getsockname()[1])).close()
def stopped(call):
    try:
        call()
    except LocalcoderError as error:
        return error.what
    except OSError:
        return "tried"
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
calls = [
    lambda: socket.create_connection(("192.0.2.1", 9), 0.05),
    lambda: socket.create_connection(("2001:db8::1", 9), 0.05),
    lambda: socket.getaddrinfo("huggingface.invalid", 443),
    lambda: socket.gethostbyname("huggingface.invalid"),
    lambda: udp.sendto(b"x", ("192.0.2.1", 9)),
    lambda: udp.connect(("192.0.2.1", 9)),
]
assert all("tried to reach" in stopped(call) for call in calls), [stopped(call) for call in calls]
with online():
    assert stopped(calls[2]) == "tried"
assert "tried to reach huggingface.invalid" in stopped(calls[2])
with allow("huggingface.invalid"), allow("192.0.2.1"):
    assert stopped(calls[2]) == stopped(calls[3]) == "tried"
    assert stopped(calls[0]) == "tried" and "tried to reach" in stopped(calls[1])
    assert "tried to reach" in stopped(lambda: socket.create_connection(("192.0.2.2", 9), 0.05))
assert "tried to reach" in stopped(calls[0]) and "tried to reach" in stopped(calls[2])
print("guarded")
"""
BY_NAME = """
import socket
from localcoder.errors import LocalcoderError
resolve = socket.getaddrinfo
def without_dns(host, *arguments, **named):
    if host.lower() == "box":
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 9))]
    return resolve(host, *arguments, **named)
socket.getaddrinfo = without_dns
from localcoder.offline import allow, guard
guard()
def stopped(host):
    try:
        socket.create_connection((host, 9), 0.05)
    except LocalcoderError as error:
        return True
    except OSError:
        return False
with allow("box"):
    assert stopped("192.0.2.1")
    assert not stopped("Box") and not stopped("192.0.2.1") and stopped("192.0.2.2")
    with allow("box"):
        pass
    assert not stopped("192.0.2.1")
assert stopped("192.0.2.1")
print("guarded")
"""


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_the_guard_stops_whoever_tries() -> None:
    done = run([sys.executable, "-c", GUARDED])
    assert done.stdout.strip() == "guarded", done.stderr


def test_an_allowed_host_is_reached_by_its_name_and_at_what_it_was_resolved_to() -> None:
    done = run([sys.executable, "-c", BY_NAME])
    assert done.stdout.strip() == "guarded", done.stderr


def test_a_library_that_calls_out_is_stopped_in_a_command(tmp_path: Path) -> None:
    program = (
        "import sys, urllib.request, localcoder.settings as settings\n"
        "settings.load_with_sources = lambda: urllib.request.urlopen('http://192.0.2.1/')\n"
        "from localcoder.cli.main import main\n"
        "sys.argv = ['localcoder', 'settings']; main()\n"
    )
    done = run([sys.executable, "-c", program])
    assert done.returncode == 1 and "tried to reach 192.0.2.1" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def without_network() -> list[str]:
    """A command's beginning that takes every interface away, loopback too."""
    command = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or run([*command, "true"]).returncode:
        pytest.skip("needs unshare(1) and the right to make network namespaces")
    return command


def test_a_completion_without_any_network(without_network: list[str]) -> None:
    done = run([*without_network, sys.executable, "-m", "localcoder", "complete", "assets/samples/shelf.py:40:17"])
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_the_whole_app_without_any_network(without_network: list[str], tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    text = "import os\n\n\ndef read(path):\n    with open(path"
    file.write_text(text)
    terminal = Terminal([str(file)], wrapper=tuple(without_network))
    end, ask, models, escape, save, quit_ = "\x1b[1;5F", "\0", "\x1bOQ", "\x1b", "\x13", "\x11"
    try:
        terminal.until("with open(path")
        terminal.send(end)
        terminal.send(ask)
        terminal.until("tok/s", 30)
        terminal.send("\t" + save)
        terminal.until("Saved")
        assert len(file.read_text()) > len(text)
        terminal.send(models)
        terminal.until("starcoder2:3b")
        terminal.send(escape)
        terminal.until("with open(path")
        terminal.send(quit_)
        assert terminal.ended() == 0
    finally:
        terminal.child.close(force=True)


def test_no_system_call_connects_anywhere(tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    log = tmp_path / "calls"
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(log)]
    if run([*trace, "true"]).returncode:
        pytest.skip("strace may not trace here")
    done = run([*trace, sys.executable, "-m", "localcoder", "complete", "assets/samples/shelf.py:40:17"])
    assert done.returncode == 0 and done.stdout.strip()
    assert not re.findall(r"AF_INET6?\b.*", log.read_text())
