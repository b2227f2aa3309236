"""The chat template of StarCoder2-15B-Instruct: a system text, then instructions and responses by turns.

    <|endoftext|>You are an exceptionally … instructions.

    ### Instruction
    {what the user says}

    ### Response
    {what the model says}<|endoftext|>

That is `chat_template` in the model's tokenizer_config.json (bigcode/starcoder2-15b-instruct-v0.1), which has no turn
for a system message. The model's card ends a response at `<|endoftext|>` and at the token `###`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from localcoder.actions.prompt import Prompt, Special
from localcoder.actions.watch import until_match
from localcoder.engine.api import ModelInfo

SYSTEM = (
    "You are an exceptionally intelligent coding assistant that consistently delivers accurate and reliable responses "
    "to user instructions."
)
END = "<|endoftext|>"
INSTRUCT_MODEL = "starcoder2:15b-instruct"
"""The name by which `models pull` knows it."""
response_ends = until_match(r"^###")
"""Before the token that begins another turn."""


@dataclass(frozen=True)
class Turn:
    role: Literal["user", "assistant"]
    text: str


def follows_instructions(model: ModelInfo) -> bool:
    """Whether the model was taught this template: its file says so, or its name where the file says nothing."""
    template = model.chat_template
    if template:
        return "### Instruction" in template and "### Response" in template
    return "starcoder2" in model.name.lower() and "instruct" in model.name.lower()


def conversation(turns: Sequence[Turn], begun: str = "") -> Prompt:
    """The prompt for the next response, which begins with `begun`."""
    parts: list[Special | str] = [Special(END)]
    text = SYSTEM + "\n\n"
    for turn in turns:
        if turn.role == "user":
            text += f"### Instruction\n{turn.text}\n\n"
        else:
            parts += [text + f"### Response\n{turn.text}", Special(END)]
            text = "\n\n"
    return (*parts, text + "### Response\n" + begun)


def instruction(what: str, code: str, fence: str) -> Turn:
    """What to do with a piece of code."""
    return Turn("user", f"{what}\n\n```{fence}\n{code.strip(chr(10))}\n```")
