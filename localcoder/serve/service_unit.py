"""What has the system start `localcoder serve` with the user's session: a systemd user unit, or a launchd agent."""

from __future__ import annotations

import plistlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from localcoder.errors import LocalcoderError

_LABEL = "localcoder"


def service_unit(arguments: Sequence[str], platform: str = sys.platform) -> tuple[str, str]:
    """The unit that runs `localcoder serve` with these arguments, and what to do with it.

    Raises LocalcoderError where there is neither systemd nor launchd.
    """
    command = [*_program(), "serve", *arguments]
    if platform == "darwin":
        return _launchd(command), (
            f"Save it as ~/Library/LaunchAgents/{_LABEL}.plist, then:\n"
            f"  launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/{_LABEL}.plist"
        )
    if platform == "win32":
        raise LocalcoderError(
            "There is neither systemd nor launchd here.", "Have the Task Scheduler start it: localcoder serve"
        )
    return _systemd(command), (
        f"Save it as ~/.config/systemd/user/{_LABEL}.service, then:\n"
        f"  systemctl --user daemon-reload && systemctl --user enable --now {_LABEL}"
    )


def _program() -> list[str]:
    """The command as it is installed, or this Python with the module: neither has to be on the service's path."""
    started = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "localcoder" else None
    return [str(Path(started).absolute())] if started else [sys.executable, "-m", "localcoder"]


def _systemd(command: Sequence[str]) -> str:
    # Only the server itself is told to end: it saves what its worker read, and ends that.
    return f"""[Unit]
Description=localcoder, code completions for editors

[Service]
Type=exec
ExecStart={" ".join(map(_quoted, command))}
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStopSec=15

[Install]
WantedBy=default.target
"""


def _quoted(word: str) -> str:
    """As systemd.service(5) reads a word of a command line: `%` and `$` stand for something there."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{word}"' if not word or any(each in word for each in " \t\"';\\") else word


def _launchd(command: Sequence[str]) -> str:
    job = {
        "Label": _LABEL,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": 15,
        "ProcessType": "Interactive",
        "StandardErrorPath": str(Path.home() / "Library" / "Logs" / "localcoder.log"),
    }
    return plistlib.dumps(job, sort_keys=False).decode()
