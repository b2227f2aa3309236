"""What is answered where something is wrong: a status, and one line of what and of what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from localcoder.completion.scheduler import Busy, Overtaken
from localcoder.errors import LocalcoderError


def error_fields(code: int, what: str, todo: str = "") -> dict[str, Any]:
    kind = {400: "invalid_request_error", 401: "authentication_error"}.get(code, "server_error")
    return {"code": code, "message": f"{what} {todo}".strip(), "type": kind}


def error(code: int, what: str, todo: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error_fields(code, what, todo)}, status_code=code, headers=headers)


def status_of(trouble: LocalcoderError) -> int:
    return {Busy: 503, Overtaken: 409}.get(type(trouble), 500)
