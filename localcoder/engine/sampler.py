"""How a token is chosen: chains of llama.cpp's samplers (`llama_sampler_*` of its `include/llama.h`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import llama_cpp.llama_cpp as lib
import numpy as np

from localcoder.engine.api import Sampling


class Sampler:
    """A chain of llama.cpp's samplers for a context, given by its handle.

    `history` is what the repeat penalty looks back on; the others count what is generated.
    """

    def __init__(
        self, context: int, n_vocab: int, sampling: Sampling, history: Sequence[int], alternative: int = 0
    ) -> None:
        sampling = sampling.of_alternative(alternative)
        self._context = context
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for link in _links(sampling, n_vocab):
            lib.llama_sampler_chain_add(self._chain, link)
        if sampling.repeat_penalty != 1.0:
            for token in history[-sampling.repeat_last_n :]:
                lib.llama_sampler_accept(self._chain, token)

    def sample(self, index: int = -1) -> int:
        """Choose a token from an output of the last batch."""
        return int(lib.llama_sampler_sample(self._chain, self._context, index))

    def close(self) -> None:
        lib.llama_sampler_free(self._chain)


def _links(sampling: Sampling, n_vocab: int) -> Iterator[int]:
    if sampling.logit_bias:
        biases = (lib.llama_logit_bias * len(sampling.logit_bias))()
        for entry, (token, bias) in zip(biases, sampling.logit_bias, strict=True):
            entry.token, entry.bias = token, bias
        yield lib.llama_sampler_init_logit_bias(n_vocab, len(biases), biases)
    if sampling.repeat_penalty != 1.0 or sampling.frequency_penalty or sampling.presence_penalty:
        yield lib.llama_sampler_init_penalties(
            n_vocab,
            sampling.repeat_last_n,
            sampling.repeat_penalty,
            sampling.frequency_penalty,
            sampling.presence_penalty,
        )
    if sampling.temperature <= 0:
        yield lib.llama_sampler_init_greedy()
        return
    if sampling.top_k > 0:
        yield lib.llama_sampler_init_top_k(sampling.top_k)
    if sampling.top_p < 1:
        yield lib.llama_sampler_init_top_p(sampling.top_p, 1)
    if sampling.min_p > 0:
        yield lib.llama_sampler_init_min_p(sampling.min_p, 1)
    yield lib.llama_sampler_init_temp(sampling.temperature)
    yield lib.llama_sampler_init_dist(sampling.seed)


def log_probability(logits: np.ndarray, token: int) -> float:
    """Natural logarithm of the token's probability under a softmax of the logits, [n_vocab]."""
    top = float(logits.max())
    return float(logits[token]) - top - float(np.log(np.exp(logits - top).sum()))


def likeliest(logits: np.ndarray, count: int) -> tuple[tuple[int, float], ...]:
    """The `count` likeliest tokens of logits, [n_vocab], as (id, log-probability), best first."""
    if not count:
        return ()
    best = np.argpartition(logits, -count)[-count:] if count < len(logits) else np.arange(len(logits))
    best = best[np.argsort(-logits[best], kind="stable")]
    normalizer = float(logits[best[0]]) - log_probability(logits, int(best[0]))
    return tuple((int(token), float(logits[token]) - normalizer) for token in best)
