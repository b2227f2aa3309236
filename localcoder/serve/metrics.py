"""Counts and sums since the server began, as Prometheus reads them (its text format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from localcoder.completion.complete import Completion
from localcoder.completion.scheduler import Scheduler

_PREFIX = "localcoder_"
_HELP = {
    "requests_total": "Completions that were asked for, by the path that was asked.",
    "requests_failed_total": "Of them, those that came to no end: refused, overtaken, or given up by the client.",
    "prompt_tokens_read_total": "Tokens of prompts that were read.",
    "prompt_tokens_reused_total": "Tokens of prompts that the KV cache held already.",
    "tokens_generated_total": "Tokens that were generated.",
    "prompt_seconds_total": "Seconds from the beginning of a turn to the first token.",
    "generation_seconds_total": "Seconds from the first token to the last.",
}
_GAUGES = {
    "requests_running": "Requests that are computed now.",
    "requests_waiting": "Requests that wait for their turn.",
}


class Metrics:
    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()

    def asked(self, path: str) -> None:
        self._asked[path] += 1

    def failed(self, path: str) -> None:
        self._failed[path] += 1

    def finished(self, completion: Completion) -> None:
        stats = completion.stats
        self._sums["prompt_tokens_read_total"] += stats.tokens_read
        self._sums["prompt_tokens_reused_total"] += stats.tokens_reused
        self._sums["tokens_generated_total"] += stats.tokens_generated
        # Counter's values may be any numbers.
        self._sums["prompt_seconds_total"] += stats.first_token_s  # type: ignore[assignment]
        self._sums["generation_seconds_total"] += max(0.0, stats.elapsed_s - stats.first_token_s)  # type: ignore[assignment]

    def text(self, schedulers: Sequence[Scheduler]) -> str:
        now = {
            "requests_running": sum(scheduler.running for scheduler in schedulers),
            "requests_waiting": sum(scheduler.waiting for scheduler in schedulers),
        }
        return "".join(self._lines(now))

    def _lines(self, now: dict[str, int]) -> Iterable[str]:
        by_path = {"requests_total": self._asked, "requests_failed_total": self._failed}
        for name, about in _HELP.items():
            yield f"# HELP {_PREFIX}{name} {about}\n# TYPE {_PREFIX}{name} counter\n"
            if name in by_path:
                for path, count in sorted(by_path[name].items()):
                    yield f'{_PREFIX}{name}{{path="{path}"}} {count}\n'
            else:
                yield f"{_PREFIX}{name} {self._sums[name]}\n"
        for name, about in _GAUGES.items():
            yield f"# HELP {_PREFIX}{name} {about}\n# TYPE {_PREFIX}{name} gauge\n{_PREFIX}{name} {now[name]}\n"


def routes() -> list[Route]:
    return [Route("/metrics", _metrics, methods=["GET"])]


async def _metrics(request: HttpRequest) -> Response:
    state = request.app.state
    text = state.metrics.text(state.models.schedulers)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
