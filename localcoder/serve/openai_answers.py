"""What OpenAI's API answers to a completion: whole, or chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from localcoder.completion.complete import Completion, TextDelta
from localcoder.engine.api import Engine, Token
from localcoder.serve import fields
from localcoder.serve.asked import Asked, Run
from localcoder.serve.findings import findings_of
from localcoder.serve.written import Written, text_of

_LENGTH = ("length", "time", "indent")
"""Reasons for which a text was broken off."""
_LEAST_LOGPROB = -9999.0
"""In the place of −∞, which JSON does not have; OpenAI's own value."""


class Answers:
    """To one body. `say` is called with the updates of one run after the other."""

    def __init__(self, body: dict[str, Any], asked: Asked, wanted: int, model: str) -> None:
        self._shell = {
            "id": f"cmpl-{time.time_ns():x}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._asked = asked
        self._wanted = wanted
        self._echoes = fields.flag(body, "echo")
        self._has_logprobs = body.get("logprobs") is not None and body["logprobs"] is not False
        options = fields.given(body, "stream_options", {})
        self._has_usage_chunk = isinstance(options, dict) and options.get("include_usage") is True
        self._begun: set[int] = set()
        """Choices that something was said of."""
        self._streamed: list[tuple[Run, Completion]] = []
        self._offset = 0
        self._held: list[Token] = []
        """Tokens whose text is not yet said."""

    async def whole(self, finished: Sequence[tuple[Run, Completion]]) -> dict[str, Any]:
        """The one answer to all prompts."""
        choices = []
        for run, completion in finished:
            echo = await self._echo(run)
            for number, each in enumerate(self._best(completion)):
                logprobs = await self._logprobs(each.tokens, len(each.text), len(echo), run.scheduler.engine)
                index = run.index * self._wanted + number
                choices.append(_choice(index, echo + each.text, finish_reason(each), logprobs) | findings_of(each))
        ignored = {"ignored_fields": list(self._asked.ignored)} if self._asked.ignored else {}
        return {**self._shell, "choices": choices, "usage": usage(finished), **ignored}

    async def say(self, run: Run, update: TextDelta | Completion) -> list[dict[str, Any]]:
        """Chunks. Alternatives are streamed one after the other: the first as it comes, the others at the end."""
        index = run.index * self._wanted
        engine = run.scheduler.engine
        if isinstance(update, TextDelta):
            echo = await self._begin(run, index)
            tokens = self._tokens_of(update)
            logprobs = await self._logprobs(tokens, len(update.text), self._offset + len(echo), engine)
            self._offset += len(echo) + len(update.text)
            return [self._chunk(_choice(index, echo + update.text, None, logprobs))]
        echo = await self._begin(run, index)
        chunks = [self._chunk(_choice(index, echo, finish_reason(update)) | findings_of(update))]
        for number, each in enumerate(update.others, 1):
            echo = await self._echo(run)
            logprobs = await self._logprobs(each.tokens, len(each.text), len(echo), engine)
            choice = _choice(index + number, echo + each.text, finish_reason(each), logprobs)
            chunks.append(self._chunk(choice | findings_of(each)))
        self._streamed.append((run, update))
        self._offset, self._held = 0, []
        if len(self._streamed) == len(self._asked.prompts):
            used = usage(self._streamed)
            if self._has_usage_chunk:
                chunks.append({**self._shell, "choices": [], "usage": used})
            else:
                chunks[-1]["usage"] = used
            if self._asked.ignored:
                chunks[-1]["ignored_fields"] = list(self._asked.ignored)
        return chunks

    def _tokens_of(self, delta: TextDelta) -> list[Token]:
        """Those that its text begins or ends in."""
        self._held += delta.tokens
        left, count = len(delta.text), 0
        while count < len(self._held) and left > 0:
            left -= len(self._held[count].text)
            count += 1
        told, self._held = self._held[:count], self._held[count:]
        return told

    async def _begin(self, run: Run, index: int) -> str:
        """What stands before the first text of a choice."""
        if index in self._begun:
            return ""
        self._begun.add(index)
        return await self._echo(run)

    def _chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        no_usage = {"usage": None} if self._has_usage_chunk else {}
        return {**self._shell, "choices": [choice], **no_usage}

    async def _echo(self, run: Run) -> str:
        """The prompt, where it is to stand before the text."""
        if not self._echoes:
            return ""
        prompt = self._asked.prompts[run.index]
        return prompt.document.prefix if isinstance(prompt, Written) else await text_of(prompt, run.scheduler.engine)

    def _best(self, completion: Completion) -> list[Completion]:
        """Those whose tokens the model was surest of, best first; all in their order where as many are wanted."""
        made = [completion, *completion.others]
        if len(made) <= self._wanted:
            return made
        return sorted(made, key=lambda each: each.confidence or 0.0, reverse=True)[: self._wanted]

    async def _logprobs(
        self, tokens: Sequence[Token], length: int, offset: int, engine: Engine
    ) -> dict[str, Any] | None:
        """Of the tokens that a text of so many characters comes from. `offset`: where it stands in the whole."""
        if not self._has_logprobs:
            return None
        told: list[tuple[Token, int]] = []
        place = 0
        for token in tokens:
            if token.logprob is not None and place < length:
                told.append((token, offset + place))
            place += len(token.text)
        if not told:
            return None
        ids = [i for token, _ in told for i, _ in token.top]
        pieces = dict(zip(ids, await engine.pieces(ids) if ids else [], strict=True))
        return {
            "tokens": [token.text for token, _ in told],
            "token_logprobs": [_logprob(token.logprob) for token, _ in told],
            "top_logprobs": [
                {pieces[i].decode("utf-8", "replace"): _logprob(value) for i, value in token.top} for token, _ in told
            ],
            "text_offset": [at for _, at in told],
        }


def _choice(index: int, text: str, finish_reason: str | None, logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish_reason}


def finish_reason(completion: Completion) -> str:
    return "length" if completion.reason in _LENGTH else "stop"


def _logprob(value: float | None) -> float | None:
    return None if value is None else max(value, _LEAST_LOGPROB)


def usage(finished: Sequence[tuple[Run, Completion]]) -> dict[str, Any]:
    prompt = sum(len(completion.prompt_ids) for _, completion in finished)
    generated = sum(completion.stats.tokens_generated for _, completion in finished)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": {"cached_tokens": sum(each.stats.tokens_reused for _, each in finished)},
    }
