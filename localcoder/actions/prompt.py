"""Prompts in StarCoder2's own formats: control tokens by their names, with text between them.

The formats are those of Lozhkov et al. 2024, "StarCoder 2 and The Stack v2", section 5, as the scripts of
bigcode-project/the-stack-v2 write them. Each piece of text is tokenized by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from localcoder.code.repository import Place, place_of
from localcoder.completion.document import Document
from localcoder.completion.window import CHARACTERS_PER_TOKEN, choose_window
from localcoder.engine.api import Engine, ModelInfo
from localcoder.errors import LocalcoderError


@dataclass(frozen=True)
class Special:
    """A control token, by the name that StarCoder2's vocabulary gives it."""

    name: str


Prompt = tuple[Special | str, ...]

FIM = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
REPOSITORY = ("<file_sep>",)
NOTEBOOK = ("<jupyter_start>", "<jupyter_code>", "<jupyter_text>")
PULL_REQUEST = (
    "<pr>", "<pr_status>", "<repo_name>", "<pr_base>", "<pr_file>", "<pr_base_code>", "<pr_diff>", "<pr_diff_hunk>",
    "<pr_review_comment>", "<pr_event_id>", "<pr_diff_hunk_comment_line>", "<pr_comment>",
)  # fmt: skip
ISSUE = ("<issue_start>", "<issue_comment>")


async def ids_of(prompt: Prompt, engine: Engine, model: ModelInfo) -> tuple[int, ...]:
    """The prompt as token ids. Raises LocalcoderError (exit code 2) where the vocabulary lacks one of its tokens."""
    control = dict(model.control)
    if missing := [part.name for part in prompt if isinstance(part, Special) and part.name not in control]:
        raise LocalcoderError(
            f"{model.name} has no token {missing[0]}, so this cannot be asked of it.",
            "Use a StarCoder2 model.",
            exit_code=2,
        )
    texts = iter(await engine.tokenize([part for part in prompt if isinstance(part, str)]))
    parts = ((control[part.name],) if isinstance(part, Special) else next(texts) for part in prompt)
    return tuple(token for part in parts for token in part)


def named(*parts: tuple[str, str]) -> Prompt:
    """(name of a control token, the text behind it) of each part; no text where that is empty."""
    return tuple(piece for name, text in parts for piece in ((Special(name), text) if text else (Special(name),)))


def characters_for(tokens: int) -> int:
    """How much code goes into so many tokens, on the low side."""
    return int(tokens * CHARACTERS_PER_TOKEN)


def fill_in(document: Document, budget_characters: int) -> Prompt:
    """What belongs between the code before and behind the cursor: `<fim_prefix>P<fim_suffix>S<fim_middle>`.

    In a repository `<repo_name>R<file_sep>` stand in front, and the file's path is the first line of the prefix.
    """
    window = choose_window(document, budget_characters)
    place = repository_place(document.path)
    head: Prompt = ()
    path = ""
    if place.repository:
        head, path = named(("<repo_name>", place.repository), ("<file_sep>", "")), f"{place.path}\n"
    return (
        *head,
        *named(("<fim_prefix>", path + window.prefix), ("<fim_suffix>", window.suffix), ("<fim_middle>", "")),
    )


def in_repository(repository: str, files: Sequence[tuple[PurePath, str]]) -> Prompt:
    """`<repo_name>R<file_sep>path0\\ncode0<file_sep>path1\\ncode1…`: the last file's text goes on."""
    head = named(("<repo_name>", repository)) if repository else ()
    return (*head, *named(*(("<file_sep>", f"{path.as_posix()}\n{text}") for path, text in files)))


def repository_place(path: Path | None) -> Place:
    """The file's place in its repository; an unnamed text is in none."""
    return place_of(path) if path is not None else Place("", PurePosixPath())
