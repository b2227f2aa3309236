"""PSM, anchored PSM and SPM: the pieces of a prompt become token ids.

The layouts are those that StarCoder2 was trained on (Lozhkov et al. 2024, "StarCoder 2 and The Stack v2", and the
FIM paper, Bavarian et al. 2022): PSM `<fim_prefix>P<fim_suffix>S<fim_middle>`, SPM
`<fim_prefix><fim_suffix>S<fim_middle>P`. Anchored is PSM with the cut where the typing began: what was typed since
stands behind `<fim_middle>`, as the beginning of the middle. Pieces of other files stand in front, in the repository
layout, `<repo_name>R<file_sep>path0\ncode0<file_sep>path1\ncode1<file_sep>`, and the file that is filled then begins
with its own path, after `<fim_prefix>`. Each piece is tokenized by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from localcoder.engine.api import SpecialIds
from localcoder.errors import LocalcoderError

LayoutName = Literal["psm", "spm", "anchored"]
LAYOUTS: tuple[LayoutName, ...] = ("psm", "spm", "anchored")


def fim_prompt(
    layout: LayoutName,
    prefix: Sequence[int],
    suffix: Sequence[int],
    special: SpecialIds,
    typed: Sequence[int] = (),
) -> tuple[int, ...]:
    """The ids of a fill-in-the-middle prompt. SPM and anchored PSM grow only at their end while someone types.

    `typed` is what was typed since the anchor: the beginning of the middle in the anchored layout, a part of the prefix
    in the others.
    """
    pre, mid, suf = special.fim_prefix, special.fim_middle, special.fim_suffix
    if pre is None or mid is None or suf is None:
        raise LocalcoderError(
            "This model's vocabulary has no fill-in-the-middle tokens.", "Use a StarCoder2 model.", exit_code=2
        )
    match layout:
        case "psm":
            return (pre, *prefix, *typed, suf, *suffix, mid)
        case "anchored":
            return (pre, *prefix, suf, *suffix, mid, *typed)
        case "spm":
            return (pre, suf, *suffix, mid, *prefix, *typed)


def repository_head(repository: Sequence[int], files: Sequence[Sequence[int]], special: SpecialIds) -> tuple[int, ...]:
    """The ids that stand before a FIM prompt: the repository's name, and each of `files`, "path\ncode", as ids.

    Nothing when there is neither.
    """
    if special.file_sep is None or not (repository or files):
        return ()
    name = (special.repo_name, *repository) if special.repo_name is not None and repository else ()
    separated = [token for file in files for token in (special.file_sep, *file)]
    return (*name, *separated, special.file_sep)
