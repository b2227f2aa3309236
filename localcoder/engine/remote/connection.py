"""One server over HTTP: a client that is kept open, what is tried again, and what goes wrong in plain words."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from localcoder.engine.remote.address import Address
from localcoder.engine.remote.failures import NotOffered, ServerAway
from localcoder.errors import LocalcoderError
from localcoder.offline import allow

CONNECT_S = 5.0
"""Chosen: a connection across the world takes half a second; who waits longer waits in vain."""
SEND_S = 15.0
"""Chosen: the ids of a long prompt are 30 KB."""
SILENCE_S = 60.0
"""Chosen: llama-server says how far it has read, the others read a prompt in seconds; but a queue may be long."""
_TRIES = 3
_PAUSE_S = 0.15
"""Before the second try; the third waits four times as long. Both are drawn from half to one and a half of it, so that
not all clients of a server that comes back ask at the same moment."""
_LONGEST_PAUSE_S = 2.0
"""Who is told to come back later than this is told so instead of waiting."""
_KEPT_S = 300.0
"""Seconds for which an idle connection is kept: a pause in typing should not cost a TLS handshake."""
_SAID = 200
"""Characters of a server's own words that are shown."""
_CONTENT = {"Accept": "application/json, text/event-stream", "User-Agent": "localcoder"}


@dataclass(frozen=True)
class Access:
    """How a server is reached. `proxy` "": directly. `authority` is a file of certificates to trust besides the usual.

    `silence_s` is how long it may say nothing while it answers; 0: for ever.
    """

    address: Address
    token: str = field(default="", repr=False)
    proxy: str = ""
    authority: Path | None = None
    silence_s: float = SILENCE_S


class Connection:
    """Asks a server, and reads what it streams. The guard lets through its host, or the proxy's, until it is closed."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client: httpx.AsyncClient | None = None
        self._allowed = ExitStack()

    @property
    def host(self) -> str:
        return self.access.address.host

    async def get(self, path: str) -> Any:
        """What the server answers, read from JSON. Raises LocalcoderError; NotOffered where it has no such path."""
        return await self._answer("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """As `get`."""
        return await self._answer("POST", path, body)

    async def events(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Any], None]:
        """The events of an answer as they come: `data:` lines, or lines of JSON. Closing it closes the stream.

        What breaks before the first event is asked for again; what breaks later is not: half of it was shown already.
        """
        for attempt in range(_TRIES):
            begun = False
            try:
                response = await self._open("POST", path, body)
            except httpx.TransportError as error:
                raise self._failure(error) from None
            try:
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        if (event := self._event(line)) is not None:
                            begun = True
                            yield event
                return
            except httpx.TransportError as error:
                if begun or attempt + 1 == _TRIES or not _may_pass(error):
                    raise self._failure(error, begun=begun) from None
            finally:
                await response.aclose()
            await asyncio.sleep(_pause(attempt))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self._allowed.close()

    async def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            response = await self._open(method, path, body)
            try:
                return json.loads(await response.aread())
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise self._failure(error) from None
        except ValueError:
            raise self._misunderstood(path) from None

    async def _open(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """A response with status 200, its body unread."""
        client = self._opened()
        failure: Exception | None = None
        for attempt in range(_TRIES):
            wait_s = _pause(attempt - 1) if attempt else 0.0
            if isinstance(failure, _NotReady):
                if failure.retry_after_s > _LONGEST_PAUSE_S:
                    break
                wait_s = max(wait_s, failure.retry_after_s)
            await asyncio.sleep(wait_s)
            request = client.build_request(method, self.access.address.base + path, json=body)
            try:
                response = await client.send(request, stream=True)
            except httpx.TransportError as error:
                if not _may_pass(error):
                    raise
                failure = error
                continue
            if response.status_code == httpx.codes.OK:
                return response
            refusal = await self._refusal(response, path)
            if not isinstance(refusal, _NotReady):
                raise refusal
            failure = refusal
        assert failure is not None
        raise failure

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            access = self.access
            try:
                self._allowed.enter_context(allow(httpx.URL(access.proxy).host if access.proxy else self.host))
                self._client = httpx.AsyncClient(
                    headers=_CONTENT | ({"Authorization": f"Bearer {access.token}"} if access.token else {}),
                    timeout=httpx.Timeout(
                        connect=CONNECT_S, write=SEND_S, read=access.silence_s or None, pool=CONNECT_S
                    ),
                    limits=httpx.Limits(max_connections=None, keepalive_expiry=_KEPT_S),
                    proxy=access.proxy or None,
                    verify=_trust(access) if "https:" in (access.address.base[:6], access.proxy[:6]) else False,
                    # What the environment says of proxies is in `proxy` already; a .netrc is nobody's wish here.
                    trust_env=False,
                )
            except (httpx.InvalidURL, ValueError, UnicodeEncodeError):
                raise LocalcoderError(
                    f"{access.proxy} is no proxy, or the token has characters that no header can have.",
                    "Check `server_proxy` and `token_from`.",
                    exit_code=2,
                ) from None
        return self._client

    def _event(self, line: bytes) -> Mapping[str, Any] | None:
        """What a line of a stream says, if it is one with something in it. Raises LocalcoderError for an error."""
        data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else line
        if not data.startswith(b"{"):
            return None
        try:
            event = json.loads(data)
        except ValueError:
            raise self._misunderstood("its stream") from None
        if said := _message(event):
            raise LocalcoderError(f"{self.host} ended it: {said}", "Look at the server's log.")
        assert isinstance(event, dict)
        return event

    async def _refusal(self, response: httpx.Response, path: str) -> LocalcoderError:
        """What a status other than 200 means. Closes the response."""
        status = response.status_code
        try:
            said = _words(await response.aread())
        finally:
            await response.aclose()
        after = response.headers.get("retry-after", "")
        retry_after_s = float(after) if after.isdigit() else 0.0
        later = f"Try again in {retry_after_s:.0f} s." if retry_after_s else "Try again later."
        host = self.host
        match status:
            case 401 | 403:
                what = f"{host} refuses the token." if self.access.token else f"{host} wants a token."
                return LocalcoderError(what, "Say where it is: localcoder settings set token_from FILE", exit_code=2)
            case 404 | 405 | 501:
                return NotOffered(f"{host} has no {path}.", "Check the address, and which program serves there.")
            case 429:
                return LocalcoderError(f"{host} has too many requests{said and f': {said}'}.", later)
            case 503:
                return _NotReady(f"{host} is not ready{said and f': {said}'}.", later, retry_after_s)
            case 500 | 502 | 504:
                return ServerAway(f"{host} fails with {status}{said and f': {said}'}.", "Look at the server's log.")
        if response.is_redirect:
            return LocalcoderError(
                f"{host} sends elsewhere, to {response.headers.get('location')}.", "Give that address.", exit_code=2
            )
        return LocalcoderError(f"{host} answers {path} with {status}{said and f': {said}'}.", "Check the server.")

    def _failure(self, error: httpx.TransportError, *, begun: bool = False) -> LocalcoderError:
        place = self.access.address.base
        if reason := _tls_reason(error):
            return LocalcoderError(
                f"{place} does not prove who it is: {reason}.",
                "If its certificate is your team's own, name the authority: localcoder settings set server_ca FILE",
            )
        if isinstance(error, httpx.ReadTimeout):
            return ServerAway(f"{place} said nothing for {self.access.silence_s:g} s.", "Look how busy it is.")
        if isinstance(error, (httpx.ProxyError, httpx.UnsupportedProtocol)):
            return ServerAway(
                f"{place} cannot be reached through {self.access.proxy}: {error}.", "Check `server_proxy`."
            )
        if begun:
            return ServerAway(f"{place} broke off in the middle of an answer.", "Ask again; look at the server's log.")
        what = "no answer" if isinstance(error, httpx.TimeoutException) else _reason(error)
        return ServerAway(f"{place} cannot be reached: {what}.", "Check that it runs, and the address.")

    def _misunderstood(self, what: str) -> LocalcoderError:
        return LocalcoderError(f"What {self.host} answers to {what} is not JSON.", "Check what serves there.")


class _NotReady(ServerAway):
    def __init__(self, what: str, todo: str, retry_after_s: float) -> None:
        super().__init__(what, todo)
        self.retry_after_s = retry_after_s


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Lines that end with a newline. httpx's own end also at U+2028 and others, which JSON may hold in a string."""
    rest = b""
    async for block in response.aiter_bytes():
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def _may_pass(error: httpx.TransportError) -> bool:
    """Whether another try may do: a connection that was kept may have been closed by the server meanwhile."""
    return isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError))


def _pause(attempt: int) -> float:
    return _PAUSE_S * 4.0**attempt * random.uniform(0.5, 1.5)


def _trust(access: Access) -> ssl.SSLContext:
    """The system's authorities, certifi's, and the one that is named."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if access.authority is not None:
        try:
            context.load_verify_locations(access.authority)
        except OSError as error:
            raise LocalcoderError(
                f"{access.authority} holds no certificates: {error.strerror or error}.",
                "Check `server_ca`.",
                exit_code=2,
            ) from None
    return context


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _tls_reason(error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return (cause.reason or str(cause)).replace("_", " ").lower()
    return ""


def _reason(error: Exception) -> str:
    """The system's own words, where it has some."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(error) or "the connection was closed"


def _message(answer: object) -> str:
    """The error that an answer tells, in one line; "" if it tells none."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        error = error.get("message") or error
    return " ".join(str(error).split())[:_SAID] if error else ""


def _words(body: bytes) -> str:
    """What an error's body says, in one line."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError):
        answer = json.loads(text)
        if isinstance(answer, dict):
            text = _message(answer) or str(answer.get("message") or answer.get("detail") or "")
    return " ".join(text.split())[:_SAID].rstrip(".") if not text.lstrip().startswith("<") else ""
