"""OpenAI's chat completions, for a model that follows instructions: bodies in, data out, as its API reference says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localcoder.actions.chat import INSTRUCT_MODEL, Turn, conversation, follows_instructions
from localcoder.actions.prompt import ids_of
from localcoder.completion.complete import Completion, Options, TextDelta
from localcoder.completion.document import Document
from localcoder.completion.stops import Stop
from localcoder.engine.api import ModelInfo
from localcoder.serve import fields
from localcoder.serve.asked import Run
from localcoder.serve.body import read_body
from localcoder.serve.errors import error_fields
from localcoder.serve.fields import BadBody
from localcoder.serve.models import Models
from localcoder.serve.openai_answers import finish_reason, usage
from localcoder.serve.remarks import Remarks
from localcoder.serve.running import finish, stream

_USUAL_TOKENS = 1024
"""Of a response, where the body leaves it out. Chosen: two screens of code; a chat client means no suggestion."""
_ANOTHER_TURN = ("\n\n###", "\n###")
"""Where the model's card ends a response: before the token that begins another turn."""
_KNOWN = frozenset(
    {
        "messages", "model", "max_tokens", "max_completion_tokens", "stop", "stream", "stream_options", "n", "user",
        *fields.SAMPLING,
    }
)  # fmt: skip


def routes() -> list[Route]:
    return [Route(path, _chat, methods=["POST"]) for path in ("/v1/chat/completions", "/chat/completions")]


@dataclass(frozen=True)
class _Asked:
    turns: tuple[Turn, ...]
    begun: str
    """What the response begins with: an assistant's message that comes last."""
    options: Options
    stream: bool
    has_usage_chunk: bool


async def _chat(request: HttpRequest) -> Response:
    body = await read_body(request)
    models: Models = request.app.state.models
    scheduler = await models.scheduler(fields.text(body, "model", ""))
    model = await scheduler.engine.info()
    if not follows_instructions(model):
        return _refusal(model)
    asked = _read(body, request.app.state.usual)
    if ignored := fields.ignored(body, _KNOWN):
        remarks: Remarks = request.app.state.remarks
        remarks.once(f"{request.url.path}: no effect of {', '.join(sorted(ignored))}.")
    ids = await ids_of(conversation(asked.turns, asked.begun), scheduler.engine, model)
    run = Run(scheduler, Document("", 0), replace(asked.options, prompt_ids=ids))
    answers = _Answers(model.name, ignored, has_usage_chunk=asked.has_usage_chunk)
    if asked.stream:
        return await stream(request, [run], answers.say, end="data: [DONE]\n\n")
    return JSONResponse(answers.whole(run, await finish(request, run)))


def _refusal(model: ModelInfo) -> Response:
    """The same as a message: llama.vim, for one, shows nothing but messages."""
    what = f"{model.name} is a base model: it completes code, and was never taught to chat."
    todo = f"Serve one that was, like {INSTRUCT_MODEL}."
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": f"{what} {todo}"},
        "finish_reason": "stop",
    }
    return JSONResponse({"error": error_fields(400, what, todo), "choices": [choice]}, status_code=400)


class _Answers:
    """To one body."""

    def __init__(self, model: str, ignored: Sequence[str], *, has_usage_chunk: bool) -> None:
        self._shell = {"id": f"chatcmpl-{time.time_ns():x}", "created": int(time.time()), "model": model}
        self._ignored = {"ignored_fields": list(ignored)} if ignored else {}
        self._has_usage_chunk = has_usage_chunk
        self._is_begun = False

    def whole(self, run: Run, completion: Completion) -> dict[str, Any]:
        message = {"role": "assistant", "content": completion.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(completion)}
        used = usage([(run, completion)])
        return {**self._shell, "object": "chat.completion", "choices": [choice], "usage": used, **self._ignored}

    async def say(self, run: Run, update: TextDelta | Completion) -> list[dict[str, Any]]:
        begin = {} if self._is_begun else {"role": "assistant"}
        self._is_begun = True
        if isinstance(update, TextDelta):
            return [self._chunk([_choice({**begin, "content": update.text})])]
        last = self._chunk([_choice(begin, finish_reason(update))])
        used = usage([(run, update)])
        if self._has_usage_chunk:
            return [last, {**self._chunk([]), "usage": used, **self._ignored}]
        return [{**last, "usage": used, **self._ignored}]

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._shell, "object": "chat.completion.chunk", "choices": choices}


def _choice(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _read(body: dict[str, Any], usual: Options) -> _Asked:
    """Raises BadBody."""
    fields.number(body, "n", 1, 1, 1)
    turns, begun = _turns(body.get("messages"))
    streamed = fields.given(body, "stream_options", {})
    wanted = fields.tokens_wanted(body, ("max_completion_tokens", "max_tokens"), _USUAL_TOKENS)
    options = replace(
        usual,
        mode="free",
        alternatives=1,
        max_tokens=max(1, wanted),
        sampling=fields.sampling(body, usual.sampling.temperature, hottest=2.0),
        first_token_s=None,
        least_confidence=0.0,
        stop=Stop((*_ANOTHER_TURN, *fields.strings(body, "stop"))),
    )
    has_usage_chunk = isinstance(streamed, dict) and streamed.get("include_usage") is True
    return _Asked(turns, begun, options, fields.flag(body, "stream"), has_usage_chunk)


def _turns(messages: object) -> tuple[tuple[Turn, ...], str]:
    """The turns, and how the response begins.

    The template has no turn for a system message: its text stands in front of the first instruction. What one side says
    in several messages is one turn.
    """
    if not isinstance(messages, list) or not messages:
        raise BadBody("'messages' has to be a list of messages.")
    system: list[str] = []
    turns: list[Turn] = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if role in ("system", "developer"):
            system.append(_content(message))
        elif role in ("user", "assistant"):
            said = _content(message)
            if turns and turns[-1].role == role:
                turns[-1] = replace(turns[-1], text=f"{turns[-1].text}\n\n{said}")
            else:
                turns.append(Turn(role, said))
        else:
            raise BadBody("The role of a message has to be system, user or assistant.")
    begun = turns.pop().text if turns and turns[-1].role == "assistant" else ""
    if not turns or turns[0].role != "user":
        raise BadBody("A conversation begins with a message of the user.")
    first = replace(turns[0], text="\n\n".join((*system, turns[0].text)))
    return (first, *turns[1:]), begun


def _content(message: dict[str, Any]) -> str:
    """Text, or a list of parts that are text."""
    content = message.get("content")
    parts: Sequence[object] = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise BadBody("The content of a message has to be text.")
    return "".join(str(text) for text in texts)
