"""Whether models fit: predictions against a real worker, GPUs by arithmetic, and the refusal to load."""

import json
import mmap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from localcoder import hardware
from localcoder.assembly import make_engine
from localcoder.cli.main import cli
from localcoder.engine.api import Request
from localcoder.engine.local import LocalEngine
from localcoder.engine.page_release import release_pages
from localcoder.errors import LocalcoderError
from localcoder.hardware import Gpu
from localcoder.models import memory_fit as fit_module
from localcoder.models.catalog import ALL_ENTRIES, Entry, find
from localcoder.models.memory_fit import ALL_LAYERS, advise, fit, fit_file, needs_of
from localcoder.models.references import LocalModel
from localcoder.settings import Settings

GPU = Gpu("RTX", 8_000_000_000, 8_000_000_000)


async def test_the_prediction_is_what_a_worker_takes(engine: LocalEngine, demo_model: Path) -> None:
    info = await engine.info()
    async for _ in engine.generate(Request(tuple(range(100, 400)), max_tokens=4)):
        pass
    (worker,) = [child for child in psutil.Process().children() if child.memory_info().rss > 20e6]
    needs = needs_of(demo_model)
    # The process itself is most of it here; with real models that is a hundredth.
    assert abs(needs.total_bytes - worker.memory_info().rss) < 30e6
    assert needs.context_tokens == info.n_ctx


def entry_of(name: str) -> Entry:
    entry = find(name)
    assert entry
    return entry


def advised(free_bytes: int, gpus: Sequence[Gpu] = ()) -> Entry:
    entry = advise(free_bytes, gpus).entry
    assert entry
    return entry


def test_header_and_size_agree_on_published_shapes() -> None:
    entry = entry_of("starcoder2:3b")
    found = fit(entry.size_bytes, entry.size, 8_000_000_000, ())
    assert found.verdict == "fits" and found.gpu_layers == 0 and found.context_tokens == 4864
    assert 2.0e9 < found.needs_bytes < 2.2e9
    assert found.parked_bytes == 3 * 4864 * entry.size.kv_bytes_per_token
    tight = fit(entry.size_bytes, entry.size, 2_300_000_000, ())
    assert tight.verdict == "tight" and tight.parked_bytes == 0
    assert fit(entry.size_bytes, entry.size, 2_000_000_000, ()).verdict == "does not fit"


def test_layers_go_to_the_gpu_as_far_as_they_fit() -> None:
    entry = entry_of("starcoder2:7b")
    whole = fit(entry.size_bytes, entry.size, 4_000_000_000, (GPU,))
    assert whole.gpu_layers == ALL_LAYERS and whole.needs_bytes < 200e6 and "all layers" in whole.reason
    part = fit(entry.size_bytes, entry.size, 4_000_000_000, (replace(GPU, free_bytes=2_400_000_000),))
    assert 10 < part.gpu_layers < 20 and 2e9 < part.needs_bytes < 3.2e9 and part.verdict == "fits"
    shared = fit(entry.size_bytes, entry.size, 4_000_000_000, (replace(GPU, is_shared=True),))
    assert shared.gpu_layers == ALL_LAYERS and shared.verdict == "does not fit"


def test_advice_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "default_threads", lambda: 4)
    assert advised(24_000_000_000).name == "starcoder2:3b"
    assert advised(24_000_000_000, (GPU,)).name == "starcoder2:7b"
    assert advised(1_500_000_000).size.label == "3B"
    assert advise(500_000_000, ()).entry is None
    monkeypatch.setattr(fit_module, "default_threads", lambda: 12)
    assert advised(24_000_000_000).name == "starcoder2:7b"


def test_what_does_not_fit_is_refused_with_what_would(
    monkeypatch: pytest.MonkeyPatch, demo_model: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(fit_module, "available_bytes", lambda: 40_000_000)
    with pytest.raises(LocalcoderError, match=r"nano-Q8_0\.gguf needs 67 MB of memory, and 40 MB are free") as caught:
        make_engine(None, Settings())
    assert "--force" in caught.value.todo
    make_engine(None, Settings(), force=True)
    refused = CliRunner().invoke(cli, ["complete", str(tmp_path / "x.py")])
    assert refused.exit_code != 0
    (tmp_path / "x.py").write_text("def f(")
    refused = CliRunner().invoke(cli, ["complete", str(tmp_path / "x.py"), "--no-snapshots"])
    assert isinstance(refused.exception, LocalcoderError)
    forced = CliRunner().invoke(cli, ["complete", str(tmp_path / "x.py"), "--no-snapshots", "--force"])
    assert forced.exit_code == 0 and forced.output


def test_a_file_without_a_header_is_judged_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(1000))
    assert fit_file(LocalModel(path), 10**9, ()).verdict == "fits"
    with pytest.raises(LocalcoderError, match="no such file"):
        fit_file(LocalModel(tmp_path / "absent.gguf"))


def test_recommend_lists_every_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcoder.models.memory_fit.available_bytes", lambda: 3_000_000_000)
    answer = json.loads(CliRunner().invoke(cli, ["models", "recommend", "--json"]).output)
    assert answer["recommended"] == "starcoder2:3b" and answer["reason"]
    assert [model["name"] for model in answer["models"]] == [entry.name for entry in ALL_ENTRIES]
    by_name = {model["name"]: model for model in answer["models"]}
    assert by_name["starcoder2:15b"]["verdict"] == "does not fit"
    shown = CliRunner().invoke(cli, ["models", "recommend"]).output
    assert "* starcoder2:3b " in shown and "models pull starcoder2:3b" in shown


def test_devices_are_what_ggml_says() -> None:
    """The processor is one; GPUs are asked for in a process of their own, and only where a backend was built."""
    found = list(hardware.devices())
    assert any(number == 0 and gpu.total_bytes > 1e9 for gpu, number in found)
    assert hardware.gpus() == () or hardware.gpu_backends()


def test_pages_of_a_mapped_file_can_be_let_go(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"x" * (32 << 20))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[::4096]) == ord("x") * (32 << 8)
        held = psutil.Process().memory_info().rss
        release_pages(path)
        assert held - psutil.Process().memory_info().rss > 24 << 20
        assert mapped[-1:] == b"x"
