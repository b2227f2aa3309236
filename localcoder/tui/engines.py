"""The app's engine: made when it is first needed, replaced when another model is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from localcoder.engine.api import Engine, ModelInfo

EngineFactory = Callable[[str | None], Engine]
"""Makes an engine for a model's name or path (None: the default model). Raises LocalcoderError for an unknown one."""


class EngineHost:
    """Owns one engine at a time."""

    def __init__(self, factory: EngineFactory, model: str | None = None) -> None:
        self._factory = factory
        self._engine: Engine | None = None
        self._lock = asyncio.Lock()
        self.model = model
        self.info: ModelInfo | None = None
        """The loaded model; None before it is loaded."""

    async def engine(self) -> Engine:
        """The engine with its model loaded. Raises LocalcoderError; the next call tries again."""
        async with self._lock:
            if self._engine is None:
                self._engine = self._factory(self.model)
            self.info = await self._engine.info()
            return self._engine

    async def switch(self, model: str | None) -> None:
        """Use another model from the next request on."""
        await self.close()
        self.model = model

    async def close(self) -> None:
        async with self._lock:
            engine, self._engine, self.info = self._engine, None, None
            if engine is not None:
                await engine.close()
