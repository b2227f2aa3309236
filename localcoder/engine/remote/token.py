"""Where a server's token comes from: never from the settings themselves, nor the command line, which others read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from localcoder import installation
from localcoder.errors import LocalcoderError

KEYRING = "keyring"
_SERVICE = "localcoder"


def read_token(source: str, host: str, environ: Mapping[str, str] | None = None) -> str:
    """`keyring` (the entry of `localcoder` for the host), `$NAME` (of the environment), or a file; "" for none.

    Raises LocalcoderError (exit code 2) where there is nothing.
    """
    if not source:
        return ""
    if source == KEYRING:
        token = _of_keyring(host)
    elif source.startswith("$"):
        token = (os.environ if environ is None else environ).get(source[1:], "")
    else:
        token = _of_file(Path(source).expanduser())
    if not (token := token.strip()):
        raise LocalcoderError(f"There is no token for {host} in {source}.", _MEANING, exit_code=2)
    return token


def _of_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        # It may be the token itself that was set: it is not shown.
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        what = f"The file that `token_from` names cannot be read: {reason}."
        raise LocalcoderError(what, _MEANING, exit_code=2) from None


def _of_keyring(host: str) -> str:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise LocalcoderError(
            "The keyring needs the package keyring.",
            f"Install it beside localcoder: {installation.add('keyring')}",
            exit_code=2,
        ) from None
    try:
        return keyring.get_password(_SERVICE, host) or ""
    except keyring.errors.KeyringError as error:
        raise LocalcoderError(f"The keyring gives no token: {error}.", _MEANING, exit_code=2) from None


_MEANING = f"`token_from` is keyring (see `keyring set {_SERVICE} HOST`), $NAME, or a file's path."
