"""Offline means offline: an attempt to reach another machine is an error, except while something is being fetched.

Python reports network calls to audit hooks (PEP 578) before they are made; whoever makes them, a library too, is
stopped there. Loopback and local sockets stay open: editors and tests are reached by them. A model's server is reached
by its name alone: `allow` lets that one host through, and nothing else.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localcoder.errors import LocalcoderError

_CALLS = frozenset(
    {
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "socket.getnameinfo",
    }
)
_lock = threading.Lock()
_fetching = 0
_is_on = False
_allowed: Counter[str] = Counter()
"""Hosts, and by how many each is wanted."""
_addresses: dict[str, set[str]] = {}
"""What the names among them were resolved to."""
_resolve = socket.getaddrinfo


def guard() -> None:
    """From now on, for as long as the process lives, no other machine is reached outside `online()`."""
    global _is_on
    if not _is_on:
        _is_on = True
        sys.addaudithook(_look)


@contextmanager
def online() -> Iterator[None]:
    """Connections are allowed meanwhile, in all threads: libraries fetch in threads of their own."""
    global _fetching
    with _lock:
        _fetching += 1
    try:
        yield
    finally:
        with _lock:
            _fetching -= 1


@contextmanager
def allow(host: str) -> Iterator[None]:
    """Connections to this host are allowed meanwhile, in all threads: its name is resolved in one of the loop's.

    A hook hears of a name when it is looked up, and then of an address when it is connected to. That the one is the
    other's is known by `socket.getaddrinfo` alone, so what that answers for an allowed name is kept.
    """
    host = host.lower()
    with _lock:
        _allowed[host] += 1
        socket.getaddrinfo = _keeping_addresses
    try:
        yield
    finally:
        with _lock:
            _allowed[host] -= 1
            if not _allowed[host]:
                del _allowed[host]
                _addresses.pop(host, None)


def _keeping_addresses(host: Any, *arguments: Any, **named: Any) -> Any:
    found = _resolve(host, *arguments, **named)
    name = (host.decode("latin-1") if isinstance(host, bytes) else host or "").lower()
    with _lock:
        if name in _allowed:
            _addresses.setdefault(name, set()).update(str(address[0]) for *_, address in found)
    return found


def _is_allowed(host: str) -> bool:
    return host.lower() in _allowed or any(host in each for each in tuple(_addresses.values()))


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    # Called for every import, file and id(): whatever is not a network call has to pass at once.
    if event not in _CALLS or _fetching:
        return
    host = _host(event, arguments)
    if host is not None and not _is_here(host) and not _is_allowed(host):
        raise LocalcoderError(
            f"Something tried to reach {host}, and localcoder is offline.",
            "Only `models pull`, `convert` from the hub and a server given as the model reach out. Please report this.",
        )


def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
    """Whom the call would reach; None when that is this machine by its nature."""
    first = arguments[0]
    if isinstance(first, socket.socket):
        if first.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        first = arguments[1]
    if isinstance(first, tuple):
        first = first[0]
    return first.decode("latin-1") if isinstance(first, bytes) else first


def _is_here(host: str) -> bool:
    if host in ("", "localhost", "<broadcast>"):
        return host != "<broadcast>"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
