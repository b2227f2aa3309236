"""What is to be distrusted in a completion, as every dialect's last word on it tells: a field of localcoder's own."""

from __future__ import annotations

from typing import Any

from localcoder.completion.complete import Completion


def findings_of(completion: Completion) -> dict[str, Any]:
    """`findings`, or no field where there are none: offsets, lines and columns are those of the text with it put in."""
    return {"findings": [each.fields() for each in completion.findings]} if completion.findings else {}
