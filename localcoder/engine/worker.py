"""The child process: reads requests as lines of JSON, writes events as lines of JSON.

A reader thread takes the lines. It answers questions about text at once, and raises the abort flag when a request is
superseded or cancelled; the main thread computes. Every message of a request carries its id.

    → {"op": "load", "id": 1, "path": …}            ← {"id": 1, "ok": {…}} or {"id": 1, "error": [what, todo, code]}
    → {"op": "tokenize", "id": 2, "texts": […]}     ← {"id": 2, "ok": [[…], …]}
    → {"op": "pieces", "id": 3, "ids": […]}         ← {"id": 3, "ok": [hex, …]}
    → {"op": "estimate", "id": 6, "ids": […]}       ← {"id": 6, "ok": [reusable, exact, tokens_per_s]}
    → {"op": "generate", "id": 4, "request": {…}}   ← {"id": 4, "progress": […]}, {"id": 4, "token": […]} …,
                                                      {"id": 4, "finished": [reason, {…}]}
    → {"op": "warm", "id": 5, "ids": […]}           ← {"id": 5, "ok": null}, also when a newer one takes its place
    → {"op": "calibrate", "id": 9, "chunks": [[…], …]}  ← {"id": 9, "done": tokens} …, {"id": 9, "inputs": [name, rows,
                                                      hex]} …, {"id": 9, "ok": null}
    → {"op": "ping", "id": 8}                       ← {"id": 8, "ok": []}
    → {"op": "save", "id": 7}                       ← {"id": 7, "ok": null}
    → {"op": "cancel", "id": 5}                     (ends the jobs with this id and below)
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from localcoder.engine.api import Lora, Request, Sampling
from localcoder.engine.snapshots import SnapshotStore, model_key
from localcoder.errors import LocalcoderError
from localcoder.hardware import REBUILD, cpu_features_missing
from localcoder.offline import guard
from localcoder.power import PowerWatch

if TYPE_CHECKING:
    from localcoder.engine.generate import Generator
    from localcoder.engine.llama import Llama, LoadOptions

_ANSWERED_AT_ONCE = frozenset({"ping", "tokenize", "pieces", "estimate"})


class Worker:
    """`current` is the job that computes. Ids at or below `void` are cancelled before or while they run, and of those
    that read ahead the ids at or below `void_ahead` too: only what was wanted last is read."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._jobs: queue.SimpleQueue[tuple[dict[str, Any], float]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._llama: Llama | None = None
        self._generator: Generator | None = None
        self._void = self._void_ahead = 0
        self._current: dict[str, Any] = {"id": 0, "op": ""}

    def run(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            job, arrived = self._jobs.get()
            try:
                if job["op"] == "load":
                    self._load(job)
                    continue
                llama, generator = self._loaded()
                with self._lock:
                    self._current = job
                    if not self._is_cancelled(job):
                        llama.clear_abort()
                self._compute(generator, job, arrived)
            except LocalcoderError as error:
                self._send(job["id"], error=[error.what, error.todo, error.exit_code])

    def _load(self, job: dict[str, Any]) -> None:
        """Check the processor, then import native code: an instruction that is missing would kill the process."""
        if missing := cpu_features_missing():
            raise LocalcoderError(
                f"This processor lacks {', '.join(missing)}, which llama.cpp was built with.",
                f"Rebuild it here: {REBUILD}",
            )
        try:
            from localcoder.engine.generate import Generator
            from localcoder.engine.llama import Llama
        except (ImportError, OSError, RuntimeError) as error:
            raise LocalcoderError(f"llama-cpp-python cannot be loaded: {error}.", f"Rebuild it: {REBUILD}") from None
        options = _load_options(job["options"])
        llama = Llama(options)
        self._generator = Generator(llama, _snapshots(llama, options), PowerWatch(is_on=options.power_saving))
        self._llama = llama
        self._send(job["id"], ok=asdict(llama.info))

    def _is_cancelled(self, job: dict[str, Any]) -> bool:
        return bool(job["id"] <= max(self._void, self._void_ahead if job["op"] == "warm" else 0))

    def _compute(self, generator: Generator, job: dict[str, Any], arrived: float) -> None:
        job_id = job["id"]

        def is_cancelled() -> bool:
            return self._is_cancelled(job)

        if job["op"] == "save":
            generator.save()
            self._send(job_id, ok=None)
            return
        if job["op"] == "warm":
            if not is_cancelled():
                generator.warm(job["ids"], is_cancelled)
            self._send(job_id, ok=None)
            return
        if job["op"] == "calibrate":
            self._calibrate(job, is_cancelled)
            return
        fields = job["request"]
        sampling = Sampling(**fields.pop("sampling"))
        fields["forced"] = bytes.fromhex(fields["forced"])
        request = Request(**fields, sampling=sampling, request_id=job_id)
        for kind, value in generator.generate(request, arrived, is_cancelled):
            self._send(job_id, **{kind: value})

    def _calibrate(self, job: dict[str, Any], is_cancelled: Callable[[], bool]) -> None:
        from localcoder.engine.calibration import Calibrator
        from localcoder.engine.llama import DecodeAborted

        llama, _ = self._loaded()
        calibrator = Calibrator(llama, max(map(len, job["chunks"]), default=1), is_cancelled)
        try:
            done = 0
            for chunk in job["chunks"]:
                calibrator.add(chunk)
                done += len(chunk)
                self._send(job["id"], done=done)
            for name, sums in calibrator.sums.items():
                self._send(job["id"], inputs=[name, calibrator.counts[name], sums.tobytes().hex()])
            self._send(job["id"], ok=None)
        except DecodeAborted:
            raise LocalcoderError("The calibration was cancelled.", "Begin it again.") from None
        finally:
            calibrator.close()

    def _read(self) -> None:
        """Take messages until the parent is gone: then nobody is left to compute for, and nobody to read an answer."""
        try:
            self._take_messages()
        except BrokenPipeError:
            pass
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _take_messages(self) -> None:
        for line in self._requests:
            arrived = time.perf_counter()
            message = json.loads(line)
            op = message["op"]
            try:
                if op in _ANSWERED_AT_ONCE:
                    self._send(message["id"], ok=self._answer(message))
                    continue
            except LocalcoderError as error:
                self._send(message["id"], error=[error.what, error.todo, error.exit_code])
                continue
            if op in ("generate", "warm", "cancel"):
                with self._lock:
                    if op == "warm":
                        self._void_ahead = message["id"] - 1
                    else:
                        self._void = max(self._void, message["id"] - (op == "generate"))
                    if self._llama is not None and self._is_cancelled(self._current):
                        self._llama.abort()
            if op != "cancel":
                self._jobs.put((message, arrived))

    def _loaded(self) -> tuple[Llama, Generator]:
        if self._llama is None or self._generator is None:
            raise LocalcoderError("No model is loaded.", "Load one first.")
        return self._llama, self._generator

    def _answer(self, message: dict[str, Any]) -> list[Any]:
        if message["op"] == "ping":
            return []
        llama, generator = self._loaded()
        if message["op"] == "tokenize":
            return [llama.tokenize(text) for text in message["texts"]]
        if message["op"] == "estimate":
            ids = message["ids"]
            return [generator.reusable(ids), generator.reusable(ids, exact=True), generator.read_tokens_per_s]
        return [llama.piece(i).hex() for i in message["ids"]]

    def _send(self, message_id: int, **fields: Any) -> None:
        line = json.dumps({"id": message_id, **fields}, separators=(",", ":")).encode() + b"\n"
        with self._write_lock:
            self._replies.write(line)
            self._replies.flush()


def _snapshots(llama: Llama, options: LoadOptions) -> SnapshotStore | None:
    if options.snapshots_dir is None:
        return None
    adapters = [f"{model_key(Path(lora.path))} {lora.scale}" for lora in options.loras]
    key = model_key(Path(options.path), llama.build, *adapters)
    return SnapshotStore(Path(options.snapshots_dir), key, options.snapshots_limit_bytes)


def _load_options(fields: dict[str, Any]) -> LoadOptions:
    from localcoder.engine.llama import LoadOptions

    loras = tuple(Lora(**lora) for lora in fields.pop("loras"))
    return LoadOptions(**fields, loras=loras)


def main() -> None:
    """Take fds 0 and 1 for the protocol, so that nothing native ever writes into it, nor into the screen."""
    guard()
    # Who ends everything at once (systemd, a logout) leaves the parent time to have the cache saved; it ends us then.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, 0)
    os.dup2(2, 1)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    try:
        Worker(requests, replies).run()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(0)
