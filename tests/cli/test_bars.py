"""What is drawn of long work: bytes and tokens, each with its unit."""

from __future__ import annotations

import pytest

from converters.progress import Progress
from localcoder.cli.bars import Bars
from localcoder.evaluate.calibrate import CalibrationProgress


def test_bytes_and_tokens(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with Bars() as bars:
        bars.show(Progress("download", 0, 4_000_000, 0.0))
        bars.show(Progress("download", 4_000_000, 4_000_000, 1e6))
        bars.show(CalibrationProgress(512, 2048, 900.0))
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("Downloading") and "4.0/4.0 MB" in line for line in lines)
    assert any(line.startswith("Calibrating") and "512/2048 tokens 900/s" in line for line in lines)


def test_one_bar_for_all_stages(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars(one_bar=True) as bars:
        bars.show(Progress("download", 5, 5, 0.0))
        bars.show(Progress("check", 1, 5, 0.0))
    shown = capsys.readouterr().err
    assert "sha256" in shown and "Downloading" not in shown
