"""Where a server is: what `--model http://HOST:PORT` says, taken apart."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from localcoder.errors import LocalcoderError


@dataclass(frozen=True)
class Address:
    """`base` is what the paths of requests are put behind; `model` is one of the server's, "" its first."""

    base: str
    host: str
    model: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """SCHEME://HOST[:PORT][/PATH][#MODEL]; a `/v1` at the end is not needed.

        Raises LocalcoderError (exit code 2).
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise LocalcoderError(f"{url} is no address: {error}.", _EXAMPLE, exit_code=2) from None
        if not host or parts.scheme not in ("http", "https"):
            raise LocalcoderError(f"{url} is no address of a server.", _EXAMPLE, exit_code=2)
        if parts.username or parts.password:
            raise LocalcoderError(
                "A password in an address is seen by everyone on this machine.", "See `token_from`.", exit_code=2
            )
        place = f"[{host}]" if ":" in host else host
        path = parts.path.rstrip("/").removesuffix("/v1")
        return cls(f"{parts.scheme}://{place}{f':{port}' if port else ''}{path}", host.lower(), unquote(parts.fragment))

    @property
    def is_this_machine(self) -> bool:
        """Whether nothing that is sent there leaves this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


_EXAMPLE = "Give it like http://box:8000, with #NAME behind it for one of several models."
