"""PSM and SPM: the pieces of a prompt become token ids.

The layouts are those that StarCoder2 was trained on (Lozhkov et al. 2024, "StarCoder 2 and The Stack v2", and the
FIM paper, Bavarian et al. 2022): PSM `<fim_prefix>P<fim_suffix>S<fim_middle>`, SPM
`<fim_prefix><fim_suffix>S<fim_middle>P`. Each piece is tokenized by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from localcoder.engine.api import SpecialIds
from localcoder.errors import LocalcoderError

LayoutName = Literal["psm", "spm"]
LAYOUTS: tuple[LayoutName, ...] = ("psm", "spm")


def fim_prompt(
    layout: LayoutName, prefix: Sequence[int], suffix: Sequence[int], special: SpecialIds
) -> tuple[int, ...]:
    """The ids of a fill-in-the-middle prompt. SPM grows only at its end while someone types."""
    pre, mid, suf = special.fim_prefix, special.fim_middle, special.fim_suffix
    if pre is None or mid is None or suf is None:
        raise LocalcoderError(
            "This model's vocabulary has no fill-in-the-middle tokens.", "Use a StarCoder2 model.", exit_code=2
        )
    if layout == "psm":
        return (pre, *prefix, suf, *suffix, mid)
    return (pre, suf, *suffix, mid, *prefix)
