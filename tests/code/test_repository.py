from pathlib import Path, PurePosixPath

import pytest

from localcoder.code.repository import Place, place_of


def test_a_file_is_placed_in_the_repository_around_it(tmp_path: Path) -> None:
    for folder in ("shop/.git", "shop/web/src", "tool/src", "loose"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("shop/web/package.json", "tool/Cargo.toml"):
        (tmp_path / file).write_text("")
    assert place_of(tmp_path / "shop/web/src/a.ts") == Place("shop", PurePosixPath("web/src/a.ts"))
    assert place_of(tmp_path / "tool/src/main.rs") == Place("tool", PurePosixPath("src/main.rs"))
    assert place_of(tmp_path / "loose/a.py") == Place("", PurePosixPath("a.py"))


def test_a_file_that_is_not_there_has_a_place_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert place_of(Path("new/a.py")) == Place(tmp_path.name, PurePosixPath("new/a.py"))
