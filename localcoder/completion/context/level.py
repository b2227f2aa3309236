"""How far around a file its completions look."""

from __future__ import annotations

from typing import Literal, get_args

Level = Literal["off", "open files", "repository", "repository and libraries"]
LEVELS: tuple[Level, ...] = get_args(Level)
