"""The model's own tokenizer: that of a GGUF file here with the same vocabulary, or the server's.

The server's costs a round trip for each new text, and while someone types every text is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from localcoder.engine.api import ModelInfo, SpecialIds
from localcoder.engine.remote.server import Server
from localcoder.engine.vocab import CONTROL_NAMES, REDACTIONS, end_ids, special_ids
from localcoder.engine.wire import GetPieces, Ids, Load, Pieces, Tokenize
from localcoder.engine.worker_process import HANG_S, WorkerProcess
from localcoder.errors import LocalcoderError

PROBE = "def größe(x):\n\t# <fim_middle><|endoftext|> 'café' 日本 12345 0x7f\n        return x ** 2  # <NAME>\r\n\n\n"
"""Indentation, digits, letters outside ASCII, control tokens that are only text: vocabularies differ in all of it."""
_KEPT_TEXTS = 256
"""Chosen: while someone types, the texts of a prompt change one at a time."""


class Vocabulary(Protocol):
    """Text to ids and back. `control` are all control tokens, name → id."""

    control: Mapping[str, int]
    special: SpecialIds
    end_ids: tuple[int, ...]
    redaction_ids: tuple[int, ...]

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]: ...

    async def pieces(self, ids: Sequence[int]) -> list[bytes]: ...

    async def close(self) -> None: ...


class FileVocabulary:
    """That of a GGUF file, read by a worker that loads nothing else of it."""

    def __init__(self, worker: WorkerProcess, info: ModelInfo, control: Mapping[str, int]) -> None:
        self._worker = worker
        self.control = control
        self.special, self.end_ids, self.redaction_ids = info.special, info.end_ids, info.redaction_ids

    @classmethod
    async def load(cls, path: Path) -> FileVocabulary:
        """Raises LocalcoderError for what is no StarCoder2's file."""
        worker = await WorkerProcess.spawn(HANG_S)
        try:
            info = await worker.ask(Load(str(path), n_threads=1, vocabulary_only=True), ModelInfo)
            ids = tuple(sorted({*info.end_ids, *info.redaction_ids}))
            names = (await worker.ask(GetPieces(ids), Pieces)).pieces
        except BaseException:
            await worker.close()
            raise
        return cls(worker, info, {name.decode("utf-8", "replace"): i for name, i in zip(names, ids, strict=True)})

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return list((await self._worker.ask(Tokenize(tuple(texts)), Ids)).ids)

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        return list((await self._worker.ask(GetPieces(tuple(ids)), Pieces)).pieces)

    async def close(self) -> None:
        await self._worker.close()


class ServerVocabulary:
    """That of the server itself, asked for what was not asked for lately."""

    def __init__(self, server: Server, control: Mapping[str, int]) -> None:
        self._server = server
        self.control = control
        self.special = special_ids(control)
        self.end_ids = end_ids(control, ())
        self.redaction_ids = tuple(sorted(control[name] for name in REDACTIONS if name in control))
        self._ids: dict[str, tuple[int, ...]] = {"": ()}
        self._pieces = {i: name.encode() for name, i in control.items()}

    @classmethod
    async def load(cls, server: Server) -> ServerVocabulary:
        """Raises LocalcoderError where the server has no tokenizer, or that of another model."""
        found = await asyncio.gather(*(server.tokenize(name, control=True) for name in CONTROL_NAMES))
        control = {name: each.ids[0] for name, each in zip(CONTROL_NAMES, found, strict=True) if len(each.ids) == 1}
        return cls(server, control)

    async def tokenize(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._ids]
        found = dict(zip(new, await asyncio.gather(*map(self._server.tokenize, new)), strict=True))
        for each in found.values():
            self._pieces.update(zip(each.ids, each.pieces, strict=False))
        known = self._ids
        answer = [known[text] if text in known else found[text].ids for text in texts]
        known.update((text, each.ids) for text, each in found.items())
        while len(known) > _KEPT_TEXTS:
            del known[next(iter(known))]
        return answer

    async def pieces(self, ids: Sequence[int]) -> list[bytes]:
        new = [i for i in dict.fromkeys(ids) if i not in self._pieces]
        self._pieces.update(zip(new, await self._server.pieces(new), strict=True) if new else ())
        return [self._pieces[i] for i in ids]

    async def close(self) -> None:
        pass


async def find_vocabulary(server: Server, model: str, files: Sequence[Path], *, required: bool) -> Vocabulary:
    """That of the first file whose vocabulary is the server's, else the server's own unless a file's is `required`.

    Where text is sent, ids only measure it, and the names of the control tokens are in every StarCoder2's file. Raises
    LocalcoderError where the model is no StarCoder2.
    """
    for path in files:
        try:
            vocabulary = await FileVocabulary.load(path)
        except LocalcoderError:
            if required:
                raise
            continue
        if not server.takes_ids or await _is_the_servers(vocabulary, server):
            return vocabulary
        await vocabulary.close()
        if required:
            raise LocalcoderError(
                f"{path.name} has another vocabulary than {model}, which the server has.",
                "Choose a `stand_in` of the same family.",
                exit_code=2,
            )
    own = await ServerVocabulary.load(server)
    if own.special.fim_middle is None:
        raise LocalcoderError(
            f"The server has {model}, which has no fill-in-the-middle tokens of StarCoder2.",
            "Give the address of a StarCoder2.",
            exit_code=2,
        )
    return own


async def _is_the_servers(vocabulary: FileVocabulary, server: Server) -> bool:
    names = [name for name in CONTROL_NAMES if name in vocabulary.control]
    probe, *control = await asyncio.gather(
        server.tokenize(PROBE), *(server.tokenize(name, control=True) for name in names)
    )
    (here,) = await vocabulary.tokenize([PROBE])
    return probe.ids == here and [each.ids for each in control] == [(vocabulary.control[name],) for name in names]
