"""Prompts for servers that take text alone: there a control token is what looks like one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from localcoder.errors import LocalcoderError


def text_of(ids: Sequence[int], pieces: Sequence[bytes], control: Mapping[str, int]) -> str:
    """The prompt with its control tokens by their names.

    Raises LocalcoderError when a name stands in the user's own text: the server would take it for the token.
    """
    text = b"".join(pieces).decode("utf-8", "replace")
    names = sorted(control, key=len, reverse=True)
    seen = [control[name] for name in re.findall("|".join(map(re.escape, names)), text)] if names else []
    meant = [token for token in ids if token in set(control.values())]
    if seen != meant:
        extra = next((name for name in names if seen.count(control[name]) > meant.count(control[name])), names[0])
        raise LocalcoderError(
            f"The code contains {extra}, which this server would take for the model's own token.",
            "Complete it with a local model, or with a server that takes token ids.",
        )
    return text


def apart(text: str, names: Sequence[str]) -> list[str]:
    """The text in parts, so that none contains a control token's name.

    For tokenizers that see a token in each name. StarCoder2's own first cuts text where letters begin behind other
    signs, and no token crosses that: cut there, after `<` or `<|`, the parts have the ids of the whole.
    """
    parts, begun = [], 0
    for match in re.finditer("|".join(f"(?:{re.escape(name)})" for name in names), text):
        at = match.start() + (2 if match[0].startswith("<|") else 1)
        parts.append(text[begun:at])
        begun = at
    return [*parts, text[begun:]]


def bytes_of(token: str) -> bytes:
    """The bytes of a token as tokenizers write it: GPT-2's letters, each of which stands for a byte.

    What is not written in them is as it is. See `bytes_to_unicode` in OpenAI's gpt-2, encoder.py.
    """
    try:
        return bytes(_BYTES[letter] for letter in token)
    except KeyError:
        return token.encode()


_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_BYTES = {chr(byte): byte for byte in _PRINTABLE} | {chr(256 + index): byte for index, byte in enumerate(_OTHERS)}
