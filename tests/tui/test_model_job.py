"""A job ends in one of three ways: done, failed, stopped; and what is stopped is closed."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from converters.progress import Progress
from localcoder.errors import LocalcoderError
from localcoder.models.catalog import ENTRIES
from localcoder.models.references import Source
from localcoder.tui.model_job import JobState, ModelJob


def test_stopped_it_closes_the_work_and_a_new_one_can_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    job, lines, closed = ModelJob(), list[str](), list[str]()

    def endless(source: Source) -> Generator[Progress, None, Path]:
        try:
            while True:
                yield Progress("download", 1_500_000_000, 3_000_000_000, 50_000_000.0)
                lines.append(job.state.line)
                if len(lines) % 3 == 0:
                    job.stop()
        finally:
            closed.append(source.repository)

    monkeypatch.setattr("localcoder.models.pull.fetch", endless)
    for count in (1, 2):
        job.pull(ENTRIES[0])
        assert job.state.line.startswith("stopped") and not job.state.is_running and job.state.result is None
        assert closed == [ENTRIES[0].repository] * count
    assert "download" in lines[0] and "1.5 GB of 3.0 GB · 50 MB/s · 0:30 left" in lines[0]


def test_an_error_and_a_result_end_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    job = ModelJob()
    job.convert(tmp_path, "Q4_K_M")
    assert isinstance(job.state.error, LocalcoderError) and not job.state.is_running

    def quick(source: Source) -> Generator[Progress, None, Path]:
        yield Progress("check", 1, 1, 0.0)
        return tmp_path / "x.gguf"

    monkeypatch.setattr("localcoder.models.pull.fetch", quick)
    job.pull(ENTRIES[0])
    assert job.state == JobState(f"Pulling {ENTRIES[0].name}", "done", result=tmp_path / "x.gguf")
