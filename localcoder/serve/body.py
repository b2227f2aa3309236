"""The JSON object in a request."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest

from localcoder.serve.fields import BadBody

MAX_BODY_BYTES = 8 << 20
"""Chosen: far more than any source file, and little enough to hold several at once."""


async def read_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that a client sends. Raises BadBody, and HTTPException where it is too large or breaks off."""
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BODY_BYTES:
                raise HTTPException(413, f"A body has at most {MAX_BODY_BYTES} bytes.")
    except ClientDisconnect:
        raise HTTPException(499, "The client hung up.") from None
    try:
        body = json.loads(data)
        if b"\\ud" in data.lower():
            # Half of a pair is no character: no answer could say it.
            body = json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    except ValueError as error:
        raise BadBody(f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise BadBody("The body is nested too deeply.") from None
    if not isinstance(body, dict):
        raise BadBody("The body has to be a JSON object.")
    return body
