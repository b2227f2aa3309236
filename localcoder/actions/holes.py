"""Code that is missing at one place: asked for by fill-in-the-middle, or as the continuation of a response."""

from __future__ import annotations

import ast
import warnings

from localcoder.actions.asking import Task
from localcoder.actions.chat import conversation, instruction, response_ends
from localcoder.actions.prompt import Prompt, fill_in
from localcoder.actions.watch import Rule, fence_ends
from localcoder.code.parsed import errors_in
from localcoder.completion.document import Document
from localcoder.completion.edits import Range


def hole_prompt(task: Task, document: Document, about: Range, what: str) -> Prompt:
    """For what is missing at the document's cursor.

    A model that follows instructions is told `what`, is shown the code `about` which it is, and goes on with that code
    from its beginning to the cursor.
    """
    if not task.follows_instructions:
        return fill_in(document, task.prompt_characters)
    text = document.text
    code = text[about.start : about.end][: task.prompt_characters]
    begun = text[max(about.start, document.cursor - task.prompt_characters) : document.cursor]
    fence = task.language.name
    return conversation([instruction(what, code, fence)], f"```{fence}\n{begun}")


def ends_of_response(task: Task) -> tuple[Rule, ...]:
    """Where code in a response ends; nothing for a model that only fills in."""
    return (fence_ends, response_ends) if task.follows_instructions else ()


def parses_as_well(task: Task, before: str, after: str) -> bool:
    """Whether a change leaves no more errors than there were, and Python that this one takes as such.

    The grammar takes a `def` without a body.
    """
    if errors_in(after, task.language) > errors_in(before, task.language):
        return False
    return task.language.name != "python" or is_python(after) or not is_python(before)


def is_python(text: str) -> bool:
    """Whether this Python can parse it; what only newer ones can is none to it."""
    try:
        with warnings.catch_warnings():
            # Of backslashes in strings.
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
