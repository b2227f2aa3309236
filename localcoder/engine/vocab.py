"""ids → exact bytes → text, piece by piece."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping

from localcoder.engine.api import SpecialIds

_NAMES = {
    "endoftext": "<|endoftext|>",
    "fim_prefix": "<fim_prefix>",
    "fim_middle": "<fim_middle>",
    "fim_suffix": "<fim_suffix>",
    "fim_pad": "<fim_pad>",
    "repo_name": "<repo_name>",
    "file_sep": "<file_sep>",
}
REDACTIONS = frozenset({"<NAME>", "<EMAIL>", "<KEY>", "<PASSWORD>"})
"""Control tokens that stand in the training text where personal data was: they do not end a middle."""
CONTROL_NAMES = (
    "<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>", "<file_sep>",
    "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>",
    "<jupyter_output>", "<jupyter_script>", "<empty_output>", "<code_to_intermediate>", "<intermediate_to_code>",
    "<pr>", "<pr_status>", "<pr_is_merged>", "<pr_base>", "<pr_file>", "<pr_base_code>", "<pr_diff>", "<pr_diff_hunk>",
    "<pr_comment>", "<pr_event_id>", "<pr_review>", "<pr_review_state>", "<pr_review_comment>",
    "<pr_in_reply_to_review_id>", "<pr_in_reply_to_comment_id>", "<pr_diff_hunk_comment_line>", "<NAME>", "<EMAIL>",
    "<KEY>", "<PASSWORD>",
)  # fmt: skip
"""The control tokens of the published vocabulary, in the order of their ids (Lozhkov et al. 2024, table 5)."""


class TextStream:
    """Bytes of tokens in, text out as soon as its UTF-8 is complete.

    Bytes that can never become UTF-8 come out as U+FFFD, one per byte run, as `bytes.decode(errors="replace")` does.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        return self._decoder.decode(data)

    def finish(self) -> str:
        """What is left of a character that never became whole."""
        return self._decoder.decode(b"", final=True)


def special_ids(control: Mapping[str, int]) -> SpecialIds:
    """The ids that FIM and repository prompts need, by the names that StarCoder2's vocabulary gives them."""
    return SpecialIds(**{field: control.get(name) for field, name in _NAMES.items()})


def end_ids(control: Mapping[str, int], end_of_generation: Iterable[int]) -> tuple[int, ...]:
    """Ids that end a middle: every control token but the redactions, and whatever the file itself declares.

    The published checkpoints end a middle in `<file_sep>` or `<|endoftext|>`; any other control token would be the
    beginning of something else, so it ends the middle too.
    """
    ends = {i for name, i in control.items() if name not in REDACTIONS}
    return tuple(sorted(ends | set(end_of_generation)))
