"""Who may ask: this machine's own programs, and those who know a token.

A page in a browser can reach a loopback port: by a name that it lets point here (Host tells), or by a request across
origins (Origin tells). So the names are known ones, and so are the origins; a browser is told of these (CORS), and of
no others. An address as Host is no name that somebody let point here.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from localcoder.completion.scheduler import QUEUE_LIMIT
from localcoder.serve.body import MAX_BODY_BYTES
from localcoder.serve.errors import error

CLIENT_LIMIT = QUEUE_LIMIT // 4
"""Requests of one token at a time, where there are several. Chosen: four of a team can fill the queue, one cannot."""
_OPEN_PATHS = frozenset({"/health", "/v1/health"})
_LOADING_RETRY_S = "1"
_LOOPBACK_ORIGIN = r"https?://(localhost\.?|127(\.\d{1,3}){3}|\[::1\])(:\d+)?"

_Refusal = tuple[int, str, str, dict[str, str]]
"""Status, what, what to do, headers."""


@dataclass(frozen=True)
class Access:
    """`tokens`: each a client's; without any none is asked for. `names`: what a Host header may say besides loopback's
    names and addresses; `has_any_name`: it may say anything. `origins`: pages that may ask besides those of loopback;
    `SCHEME://` is every page of that scheme."""

    tokens: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    has_any_name: bool = False
    origins: tuple[str, ...] = ()


def middleware(access: Access, is_loading: Callable[[], bool]) -> list[Middleware]:
    """In their order. A preflight carries no token, and an answer has to be readable for the page that may ask."""
    origins = re.compile("|".join((_LOOPBACK_ORIGIN, *_patterns(access.origins))), re.IGNORECASE)
    return [
        Middleware(_Names, access=access, origins=origins),
        Middleware(
            CORSMiddleware,
            allow_origin_regex=f"(?i:{origins.pattern})",
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),
        ),
        Middleware(_Clients, tokens=access.tokens, is_loading=is_loading),
    ]


def _patterns(origins: Iterable[str]) -> list[str]:
    return [re.escape(each) + ("[^/]*" if each.endswith("://") else "") for each in origins]


class _Names:
    """Refuses what was sent to another name, or by a page from elsewhere."""

    def __init__(self, app: ASGIApp, access: Access, origins: re.Pattern[str]) -> None:
        self._app = app
        self._access = access
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(Headers(scope=scope))) is not None:
            await error(scope["path"], 403, *refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> tuple[str, str] | None:
        if not self._access.has_any_name and not self._is_name_of_mine(host_name(headers.get("host", ""))):
            return "This host name is not served here.", "Use 127.0.0.1, or give `localcoder serve` the name as --host."
        origin = headers.get("origin")
        if origin is not None and not self._origins.fullmatch(origin):
            todo = f"If it may ask, allow it: localcoder serve --origin {origin}"
            return "Requests of this page's origin are not answered.", todo
        return None

    def _is_name_of_mine(self, name: str) -> bool:
        return name == "localhost" or name in self._access.names or is_own_address(name)


class _Clients:
    """Refuses who has no token, who asks too much at once, and everybody while the model is being loaded."""

    def __init__(self, app: ASGIApp, tokens: tuple[str, ...], is_loading: Callable[[], bool]) -> None:
        self._app = app
        self._tokens = tuple(token.encode() for token in tokens)
        self._is_loading = is_loading
        self._asking: Counter[bytes] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token = self._token(headers)
        if (refusal := self._refusal(scope["path"], headers, token)) is not None:
            await error(scope["path"], *refusal)(scope, receive, send)
            return
        self._asking[token] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._asking[token] -= 1

    def _token(self, headers: Headers) -> bytes:
        """The one among those known that was sent; empty if none was."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [headers.get("x-api-key", ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        sent = [each.encode("latin-1") for each in given]
        return next((token for token in self._tokens for each in sent if hmac.compare_digest(each, token)), b"")

    def _refusal(self, path: str, headers: Headers, token: bytes) -> _Refusal | None:
        if self._tokens and not token and path not in _OPEN_PATHS:
            todo = "Send it as 'Authorization: Bearer TOKEN', or as 'X-API-Key: TOKEN'."
            return 401, "A token is required.", todo, {"WWW-Authenticate": "Bearer"}
        if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
            return 413, f"A body has at most {MAX_BODY_BYTES} bytes.", "Send less of the file.", {}
        if self._is_loading():
            # llama-server's words, by which its clients know it.
            todo = "" if path in _OPEN_PATHS else f"- try again in {_LOADING_RETRY_S} s."
            return 503, "Loading model", todo, {"Retry-After": _LOADING_RETRY_S}
        if len(self._tokens) > 1 and self._asking[token] >= CLIENT_LIMIT:
            what = f"{CLIENT_LIMIT} requests with this token are being answered already."
            return 429, what, "Try again in 1 s.", {"Retry-After": "1"}
        return None


def is_own_address(name: str) -> bool:
    """Whether this machine alone reaches itself at this address: 127.0.0.2, ::1, and 0.0.0.0 on most systems."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def host_name(netloc: str) -> str:
    """`127.0.0.1:8012`, `[::1]:8012` and `localhost.` without ports, brackets and the root's dot."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0].lower()
    return netloc.partition(":")[0].lower().removesuffix(".")
