"""The one way from a checkpoint to files: a plan that holds, errors a user can read, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcoder.errors import LocalcoderError
from localcoder.models.conversion import Conversion, convert, convert_checkpoint, is_repository, plan
from localcoder.progress import finish
from tests.converters.checkpoints import write_checkpoint


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "mini")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_what_is_planned_is_what_is_written(mini: Path, tmp_path: Path) -> None:
    wanted = Conversion(mini, tmp_path / "out", ("q8_0", "auto"))
    outputs = finish(plan(wanted, errors=True)).plan.outputs
    assert names(wanted.out) == []
    written = finish(convert(wanted))
    assert [(one.type, one.size_bytes) for one in written] == [(one.type, one.size_bytes) for one in outputs]
    assert [one.path.stat().st_size for one in written] == [one.size_bytes for one in outputs]


def test_closed_in_the_middle_it_leaves_no_file_and_says_that_it_can_go_on(mini: Path, tmp_path: Path) -> None:
    wanted, said = Conversion(str(mini), tmp_path / "out", ("Q8_0",)), list[str]()
    work = convert(wanted, said.append)
    assert next(work).total > 0
    work.close()
    left = names(wanted.out)
    assert all(name.startswith(".") for name in left) and len(said) == bool(left)
    (written,) = finish(convert(wanted, said.append))
    assert names(wanted.out) == [written.path.name, f"{written.path.name}.sha256"] and len(said) <= 1


@pytest.mark.parametrize(
    "wrong",
    [{"types": ()}, {"types": ("Q9",)}, {"fit": "much"}, {"split_max_size": "-1"}, {"checkpoint": Path("none")}],
)
def test_a_wrong_wish_is_a_users_error(wrong: dict[str, object], mini: Path, tmp_path: Path) -> None:
    wish: dict[str, object] = {"checkpoint": mini, "out": tmp_path / "out", "types": ("Q8_0",), **wrong}
    for work in (plan, convert):
        with pytest.raises(LocalcoderError) as caught:
            finish(work(Conversion(**wish)))  # type: ignore[arg-type]
        assert caught.value.exit_code == 2 and caught.value.what
    assert names(tmp_path / "out") == []


def test_a_dry_run_of_an_adapter_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    wanted = Conversion(tmp_path / "adapter", tmp_path / "out")
    for work in (plan, convert_checkpoint):
        with pytest.raises(LocalcoderError):
            finish(work(wanted))
    assert names(tmp_path / "out") == []


def test_only_text_means_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_repository("bigcode/starcoder2-3b")
    assert not is_repository(Path("bigcode/starcoder2-3b"))
    assert not is_repository("./starcoder2-3b")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bigcode" / "starcoder2-3b").mkdir(parents=True)
    assert not is_repository("bigcode/starcoder2-3b")
