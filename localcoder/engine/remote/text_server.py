"""What servers that take text alone have in common: they tokenize by themselves, and tell nothing of it."""

from __future__ import annotations

from collections.abc import Sequence

from localcoder.engine.api import TokenScore
from localcoder.engine.remote.server import Ask, Tokenized
from localcoder.errors import LocalcoderError


class TextServer:
    """The part of `server.Server` that is the same for all of them."""

    takes_ids = False

    def reading(self, ids: Sequence[int]) -> None:
        """What they keep of a prompt is not known, so nothing is read ahead."""

    async def tokenize(self, text: str, *, control: bool = False) -> Tokenized:
        raise LocalcoderError(
            "This server tells nothing of its vocabulary.",
            "Have a StarCoder2's file on this machine: localcoder models pull starcoder2:3b",
        )

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        raise LocalcoderError("This server tells nothing of its vocabulary.")

    async def score(self, ids: Sequence[int], start: int, top: int) -> list[TokenScore]:
        raise LocalcoderError("This server does not tell how likely a given text is.", "Use the model's file, or vLLM.")


def stops(ask: Ask, most: int) -> list[str]:
    """The likeliest of the names that end an answer; the others are looked for here."""
    likely = ("<|endoftext|>", "<file_sep>", "<fim_prefix>", "<repo_name>", "<fim_pad>")
    names = [name for name in likely if name in ask.end_names]
    return [*names, *(name for name in ask.end_names if name not in names)][:most]
