"""Tries a running endpoint as an editor would, and says what it does."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from localcoder import offline
from localcoder.doctor import Check
from localcoder.errors import LocalcoderError

USUAL_URL = "http://127.0.0.1:8012"
_QUICK_S = 10.0
"""Chosen: what needs no model is answered at once."""
_ANSWER_S = 60.0
"""Chosen: a model that was unloaded is loaded first."""
_HOLE = {
    "input_prefix": "def add(first, second):\n    return ", "input_suffix": "\n", "n_predict": 8, "temperature": 0,
}  # fmt: skip
_STRANGER = "stranger.example"


@dataclass(frozen=True)
class _Answer:
    status: int
    type: str
    body: bytes
    retry_after: str | None = None
    json: dict[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """What an error says, in whichever dialect."""
        error = self.json.get("error", self.json)
        said = error.get("message") if isinstance(error, dict) else error
        return f"{self.status}: {said}" if isinstance(said, str) else f"status {self.status}"


class _Endpoint:
    def __init__(self, url: str, token: str | None) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError:
            # A port that is none, a bracket that is not closed.
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LocalcoderError(f"{url} is no address of a server.", f"It looks like {USUAL_URL}.", exit_code=2)
        self.host = parts.hostname
        self.token = token
        self._is_tls = parts.scheme == "https"
        self._port = port or (443 if self._is_tls else 80)
        self._path = parts.path.rstrip("/")
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"{parts.scheme}://{shown}:{self._port}{self._path}"

    @property
    def is_here(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.rstrip(".") == "localhost"

    def ask(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _QUICK_S,
    ) -> _Answer:
        """Raises OSError and http.client.HTTPException."""
        sent = {"Content-Type": "application/json"}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        sent.update(headers or {})
        with offline.allow(self.host), closing(self._connection(timeout_s)) as connection:
            data = None if body is None else json.dumps(body).encode()
            connection.request("GET" if body is None else "POST", self._path + path, data, sent)
            response = connection.getresponse()
            text, kind = response.read(), response.headers.get_content_type()
            try:
                value = json.loads(text)
            except ValueError:
                value = None
            given = value if isinstance(value, dict) else {}
            return _Answer(response.status, kind, text, response.headers.get("Retry-After"), given)

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._is_tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self.host, self._port, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(self.host, self._port, timeout=timeout_s)


def check(url: str, token: str | None = None) -> Iterator[Check]:
    """One finding after the other; what cannot be tried any more is left out. Raises LocalcoderError for a bad URL."""
    endpoint = _Endpoint(url, token)
    try:
        yield from _examined(endpoint)
    except (OSError, http.client.HTTPException) as error:
        what = f"{endpoint.url} does not answer: {getattr(error, 'strerror', None) or error or type(error).__name__}"
        yield Check("connection", "broken", what, "Start it, or say where it is: localcoder serve --check URL")


def check_usual(token: str | None = None) -> Iterator[Check]:
    """As `check`, of the address that `serve` listens on by default. That nobody listens there is no fault."""
    endpoint = _Endpoint(USUAL_URL, token)
    try:
        endpoint.ask("/health")
    except ConnectionRefusedError:
        yield Check("serve", "ok", f"no endpoint runs at {endpoint.url}")
        return
    except (OSError, http.client.HTTPException):
        pass
    yield from check(USUAL_URL, token)


def _examined(endpoint: _Endpoint) -> Iterator[Check]:
    health = endpoint.ask("/health")
    if health.status == 503:
        when = f"Try again in {health.retry_after or 'some'} s."
        yield Check("health", "note", f"{endpoint.url} loads its model: {health.said}", when)
        return
    if health.status == 403:
        todo = "Start it with this name: localcoder serve --host NAME"
        yield Check("health", "broken", f"{endpoint.url} does not answer to {endpoint.host}: {health.said}", todo)
        return
    if health.status != 200:
        yield Check("health", "broken", f"{endpoint.url}/health: {health.said}", "Is it a localcoder or llama-server?")
        return
    yield Check("health", "ok", f"{endpoint.url} is up")
    models = endpoint.ask("/v1/models")
    if models.status == 401:
        given = "this token is not taken" if endpoint.token is not None else "a token is asked for"
        yield Check("token", "broken", given, "Give the server's: --token-file FILE, or LOCALCODER_TOKEN")
        return
    yield from _token(endpoint)
    if models.status == 200:
        names = [str(each.get("id")) for each in models.json.get("data") or [] if isinstance(each, dict)]
        yield Check("models", "ok" if names else "note", ", ".join(names) or "none is named")
    else:
        yield Check("models", "note", f"/v1/models: {models.said}")
    yield _props(endpoint)
    yield from _completions(endpoint)
    yield from _strangers(endpoint)


def _token(endpoint: _Endpoint) -> Iterator[Check]:
    if endpoint.ask("/v1/models", headers={"Authorization": "Bearer not-the-token"}).status == 401:
        yield Check("token", "ok", "the right one is taken, a wrong one is not")
    elif endpoint.is_here:
        yield Check("token", "ok", "none is asked for: this machine's programs alone reach it")
    else:
        yield Check("token", "note", "none is asked for, of anybody", "Start it with --token-file FILE")


def _props(endpoint: _Endpoint) -> Check:
    answer = endpoint.ask("/props")
    if answer.status != 200:
        return Check("props", "note", f"/props: {answer.said}", "llama.vscode reads it to know the window.")
    usual = answer.json.get("default_generation_settings")
    n_ctx = usual.get("n_ctx") if isinstance(usual, dict) else None
    build = answer.json.get("build_info") or "a server that does not name itself"
    return Check("props", "ok", f"{build}, context of {n_ctx if isinstance(n_ctx, int) else 'unknown'} tokens")


def _completions(endpoint: _Endpoint) -> Iterator[Check]:
    begun = time.monotonic()
    whole = endpoint.ask("/infill", _HOLE, timeout_s=_ANSWER_S)
    took_s = time.monotonic() - begun
    if whole.status != 200 or not isinstance(whole.json.get("content"), str):
        yield Check("infill", "broken", f"/infill: {whole.said}", "llama.vim and llama.vscode need it.")
        return
    yield Check("infill", "ok", f"{whole.json['content']!r} after {took_s:.1f} s")
    streamed = endpoint.ask("/infill", {**_HOLE, "stream": True}, timeout_s=_ANSWER_S)
    lines = [line[6:] for line in streamed.body.splitlines() if line.startswith(b"data: {")]
    try:
        events = [json.loads(line) for line in lines]
    except ValueError:
        events = []
    if streamed.type == "text/event-stream" and events and events[-1].get("stop") is True:
        yield Check("stream", "ok", f"{len(events)} events, the last of them says that it is")
    else:
        yield Check("stream", "broken", f"no events that come to an end: {streamed.said}", "A proxy on the way?")


def _strangers(endpoint: _Endpoint) -> Iterator[Check]:
    """Whether a page in a browser could ask: by a name that points here, or from another origin."""
    for name, headers, who in (
        ("host", {"Host": _STRANGER}, "a name that somebody else lets point here"),
        ("origin", {"Origin": f"https://{_STRANGER}"}, "pages from elsewhere"),
    ):
        answer = endpoint.ask("/v1/models", headers=headers)
        if answer.status == 403:
            yield Check(name, "ok", f"{who}: refused")
        elif endpoint.token is not None:
            yield Check(name, "ok", f"{who}: with the token alone")
        else:
            todo = "Any page in a browser on this machine may read what it answers: ask for a token."
            yield Check(name, "note", f"{who}: answered", todo)
