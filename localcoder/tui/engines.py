"""The app's engine: made when it is first needed, replaced when another model is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from localcoder.engine.api import Engine, ModelInfo
from localcoder.errors import LocalcoderError

EngineFactory = Callable[[str | None], Engine]
"""Makes an engine for a model's name or path (None: the default model). Raises LocalcoderError for an unknown one."""


class EngineHost:
    """Owns one engine at a time."""

    def __init__(self, factory: EngineFactory, model: str | None = None) -> None:
        self._factory = factory
        self._engine: Engine | None = None
        self._loading: asyncio.Task[Engine] | None = None
        self.model = model
        self.info: ModelInfo | None = None
        """The loaded model; None before it is loaded."""

    async def engine(self) -> Engine:
        """The engine with its model loaded. Raises LocalcoderError; the next call tries again.

        Whoever waits may be cancelled, as each key cancels a completion: the loading goes on.
        """
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
            # Nobody may be left to take the exception.
            self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._loading)

    def another(self, model: str) -> Engine:
        """A second engine, which belongs to whoever asked for it. Raises LocalcoderError."""
        return self._factory(model)

    async def switch(self, model: str | None) -> None:
        """Use another model from the next request on."""
        await self.close()
        self.model = model

    async def close(self) -> None:
        """End the engine, in the middle of loading too."""
        if self._loading is not None:
            self._loading.cancel()
            with suppress(asyncio.CancelledError, LocalcoderError):
                await self._loading
        self._loading = None
        engine, self._engine, self.info = self._engine, None, None
        if engine is not None:
            await engine.close()

    async def _load(self) -> Engine:
        engine = self._engine
        if engine is None:
            # It reads the file's header, and may ask a GPU's driver.
            engine = self._engine = await asyncio.to_thread(self._factory, self.model)
        self.info = await engine.info()
        return engine
