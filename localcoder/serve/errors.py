"""What is answered where something is wrong: a status, one line of what and of what to do, as each dialect has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from localcoder.completion.scheduler import Busy, Overtaken
from localcoder.errors import LocalcoderError

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    503: "unavailable_error",
}
"""llama-server's names (`format_error_response` in its server-common.cpp), and OpenAI's for those that it has not."""


def error_fields(code: int, what: str, todo: str = "") -> dict[str, Any]:
    """As llama-server has them, and OpenAI's clients read them."""
    return {"code": code, "message": f"{what} {todo}".strip(), "type": _TYPES.get(code, "server_error"), "param": None}


def error_body(path: str, code: int, what: str, todo: str = "") -> dict[str, Any]:
    """The body in the dialect that is spoken at this path."""
    given = error_fields(code, what, todo)
    if path.startswith("/api/"):
        # Ollama's: a text alone.
        return {"error": given["message"]}
    if path.startswith("/v1/fim/"):
        # Mistral's: no object around it.
        return {"object": "error", **given, "code": str(code)}
    return {"error": given}


def error(path: str, code: int, what: str, todo: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer to a request at this path."""
    return JSONResponse(error_body(path, code, what, todo), status_code=code, headers=headers)


def status_of(trouble: LocalcoderError) -> int:
    return {Busy: 503, Overtaken: 409}.get(type(trouble), 500)
