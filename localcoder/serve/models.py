"""Which models a server has, and the engines of those that were asked for."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localcoder.completion.scheduler import Scheduler
from localcoder.engine.api import Engine, ModelInfo, Unloadable
from localcoder.errors import LocalcoderError
from localcoder.models import catalog, store
from localcoder.models.catalog import size_in_name
from localcoder.models.description import type_of
from localcoder.models.memory_fit import fit_file
from localcoder.models.references import LocalModel
from localcoder.models.store import Installed
from localcoder.serve.remarks import Remarks


@dataclass(frozen=True)
class Known:
    """A model that can be asked for. `info` is None until it was; `parameters` 0: not known without loading it."""

    name: str
    type_name: str
    size_bytes: int
    parameters: int
    modified_at: float = 0.0
    digest: str = ""
    info: ModelInfo | None = None


class Models:
    """`engine` is the one that the server began with; `start` makes those of other files, by their paths."""

    def __init__(self, engine: Engine, start: Callable[[Path], Engine] | None, remarks: Remarks) -> None:
        self.first = Scheduler(engine)
        self._start = start
        self._remarks = remarks
        self._others: dict[Path, Scheduler] = {}
        self._latest = self.first
        self._fit_together = True
        self._choosing = asyncio.Lock()

    @property
    def schedulers(self) -> list[Scheduler]:
        return [self.first, *self._others.values()]

    async def scheduler(self, name: str) -> Scheduler:
        """Who gives turns to the model of this name; a name that nothing here has is the first one's.

        Raises LocalcoderError when there is no memory for it.
        """
        is_known, found = await self._find(name)
        if not is_known:
            own = (await self.first.engine.info()).name
            self._remarks.once(f"There is no model {name!r} here: {own} answers.")
        async with self._choosing:
            if found is None:
                chosen = self.first
            elif found.path in self._others:
                chosen = self._others[found.path]
            else:
                chosen = self._latest = self._others[found.path] = Scheduler(await self._make(found))
            if not self._fit_together and chosen is not self._latest:
                await self._unload_all_but(chosen)
            self._latest = chosen
            return chosen

    async def has(self, name: str) -> bool:
        """Whether the name is that of a model here, or none."""
        is_known, _ = await self._find(name)
        return is_known

    async def known(self) -> list[Known]:
        """All that can be asked for, the first one first."""
        info = await self.first.engine.info()
        digest = _digest(info.path)
        first = Known(info.name, info.type_name, info.size_bytes, info.parameters, digest=digest, info=info)
        if self._start is None:
            return [first]
        files = await asyncio.to_thread(store.installed)
        others = [model for model in files if not _is_same(model.path, info.path)]
        infos = {path: await scheduler.engine.info() for path, scheduler in self._others.items()}
        described = await asyncio.to_thread(lambda: [_describe(model, infos.get(model.path)) for model in others])
        return [first, *described]

    async def about(self, name: str) -> Known:
        """The model that would answer to this name."""
        first, *others = await self.known()
        _, found = await self._find(name)
        return first if found is None else next((each for each in others if each.name == found.name), first)

    def end(self) -> None:
        """Give up what runs and what waits."""
        for scheduler in self.schedulers:
            scheduler.end()

    async def close(self) -> None:
        """End the engines that were started here; the first one is its maker's."""
        await asyncio.gather(*(scheduler.engine.close() for scheduler in self._others.values()))

    async def _find(self, name: str) -> tuple[bool, Installed | None]:
        """(whether it is the name of a model here, its file if it is another one than the first).

        Only names count: no path, from wherever it comes, is opened.
        """
        info = await self.first.engine.info()
        if _plain(name) in ("", "default", _plain(info.name)):
            return True, None
        found = await asyncio.to_thread(_installed, name)
        if found is not None and _is_same(found.path, info.path):
            return True, None
        return (False, None) if found is None or self._start is None else (True, found)

    async def _make(self, model: Installed) -> Engine:
        """An engine beside the others where that fits, else one for which they give their memory back.

        From then on they take turns in it.
        """
        assert self._start is not None
        if (await asyncio.to_thread(fit_file, LocalModel(model.path))).verdict != "fits":
            self._fit_together = False
            await self._unload_all_but(None)
        return await asyncio.to_thread(self._start, model.path)

    async def _unload_all_but(self, kept: Scheduler | None) -> None:
        for scheduler in self.schedulers:
            if scheduler is not kept and isinstance(scheduler.engine, Unloadable):
                await scheduler.engine.unload()


def _describe(model: Installed, info: ModelInfo | None) -> Known:
    size = size_in_name(model.name)
    parameters = info.parameters if info else size.parameters if size else 0
    modified_at = model.path.stat().st_mtime
    return Known(model.name, type_of(model), model.size_bytes, parameters, modified_at, _digest(str(model.path)), info)


def _installed(name: str) -> Installed | None:
    wanted = _plain(name)
    for model in store.installed():
        if wanted == _plain(model.name):
            return model
    # A name of the catalogue is no path, and what it was pulled as is in the models directory.
    if catalog.find(wanted) is not None:
        with suppress(LocalcoderError):
            return store.find(wanted)
    return None


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(":latest").removesuffix(".gguf")


def _is_same(path: Path, other: str) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _digest(text: str) -> str:
    """Something that is the same for the same file: clients compare it, and no more."""
    return hashlib.sha256(text.encode()).hexdigest()
