"""Battery, heat and sleep: what is seen, and what follows."""

import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from localcoder import hardware, power
from localcoder.assembly import make_engine
from localcoder.engine import local
from localcoder.engine.api import Request
from localcoder.engine.context import Context
from localcoder.engine.generate import Generator
from localcoder.engine.local import LocalEngine
from localcoder.engine.prefill import Prefill
from localcoder.engine.wire import Load
from localcoder.power import Power, PowerWatch
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile
from localcoder.tui.pacing import Pause
from localcoder.tui.start import Opened


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    battery = SimpleNamespace(power_plugged=False, percent=40, secsleft=3600)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    return battery


def test_the_battery_is_seen_after_some_seconds(unplugged: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = PowerWatch()
    assert watch.now == Power(on_battery=True) and watch.now.word == "battery"
    unplugged.power_plugged = True
    assert watch.now.on_battery
    later = time.monotonic() + 2 * power.LOOK_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not watch.now.is_short and watch.now.word == ""
    unplugged.power_plugged = False
    assert PowerWatch(is_on=False).now == Power()


@pytest.mark.parametrize("value", [None, SimpleNamespace(power_plugged=None)])
def test_no_battery_or_one_that_says_nothing_is_mains(
    monkeypatch: pytest.MonkeyPatch, value: SimpleNamespace | None
) -> None:
    monkeypatch.setattr(psutil, "sensors_battery", lambda: value, raising=False)
    assert not power.on_battery()
    monkeypatch.delattr(psutil, "sensors_battery")
    assert not power.on_battery()


def test_heat_is_a_count_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    counter = tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    counter.parent.mkdir(parents=True)
    counter.write_text("17\n")
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    watch = PowerWatch(root=tmp_path)
    assert not watch.now.is_hot
    counter.write_text("18\n")
    clock[0] += 6
    assert watch.now.is_hot and watch.now.word == "hot"
    clock[0] += 30
    assert watch.now.is_hot
    clock[0] += 60
    assert not watch.now.is_hot


def test_half_the_threads_and_longer_pauses_on_battery(
    demo_model: Path, unplugged: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    llama = Context(Load(str(demo_model), 4))
    used: list[int] = []
    monkeypatch.setattr(llama, "use_threads", used.append)
    monkeypatch.setattr("localcoder.hardware.OthersLoad.cores", lambda self: 0.0)
    for watch, threads in ((PowerWatch(), 2), (PowerWatch(is_on=False), 4)):
        generator = Generator(Prefill(llama, power=watch))
        used.clear()
        list(generator.generate(Request((1, 2, 3), 2), 0.0, lambda: False))
        assert set(used) == {threads}
    assert Pause(PowerWatch()).seconds == pytest.approx(3 * Pause(PowerWatch(is_on=False)).seconds)


async def test_the_status_line_says_it_and_the_setting_turns_it_off(
    unplugged: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    app = LocalcoderApp(lambda model: make_engine(model, app.settings), [Opened(TextFile("x = 1\n"))])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        place = app.screen.query_one("#place")
        assert "battery" in str(place.render())
        app.live_settings.change("power_saving", False)
        await pilot.pause()
        assert "battery" not in str(place.render())


async def test_after_a_sleep_a_model_on_the_gpu_is_loaded_anew(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(local, "gpu_backends", lambda: ["cuda"])
    monkeypatch.setattr(local, "gpus", _Gpus(asked))
    await engine.info()
    before = {child.pid for child in psutil.Process().children()}
    await engine.info()
    assert {child.pid for child in psutil.Process().children()} == before
    slept = power.slept_s() + 600
    monkeypatch.setattr(local, "slept_s", lambda: slept)
    assert await engine.tokenize(["x"])
    after = {child.pid for child in psutil.Process().children()}
    assert asked and before - after and after - before
    await engine.tokenize(["x"])
    assert {child.pid for child in psutil.Process().children()} == after


class _Gpus:
    """A GPU that is gone after the sleep."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    def cache_clear(self) -> None:
        self._asked.append("cleared")

    def __call__(self) -> tuple[hardware.Gpu, ...]:
        return ()


def test_settings_reach_the_engine() -> None:
    engine = make_engine(None, Settings(power_saving=False, idle_minutes=0, threads=1))
    assert isinstance(engine, LocalEngine)
    assert (engine._power_saving, engine._idle_s, engine._n_threads) == (False, None, 1)
