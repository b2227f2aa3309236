from pathlib import Path

import pytest

from localcoder.completion.document import Document, Snippet
from localcoder.completion.sendable import is_among, sendable
from localcoder.errors import LocalcoderError
from localcoder.settings import Settings

USUAL = tuple(Settings().never_sent.split())


def test_patterns_mean_names_or_ends_of_paths() -> None:
    for path in ("a/.env", ".env.local", "x/key.pem", "/home/me/secrets/a/b.py", "secrets/x", "id_rsa"):
        assert is_among(path, USUAL), path
    for path in ("env.py", "a/secrets.py", "pem", "notsecrets/x"):
        assert not is_among(path, USUAL), path
    assert is_among("src/team/a.py", ["team/*.py"]) and not is_among("src/team/a.c", ["team/*.py"])


def test_pieces_of_such_files_stay_here() -> None:
    snippets = (Snippet("a.py", "x"), Snippet("secrets/b.py", "y"))
    document = Document("code", 1, Path("c.py"), snippets)
    assert sendable(document, "box", USUAL).snippets == snippets[:1]
    assert sendable(document, "", USUAL) is document


def test_such_a_file_itself_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "keys.py").write_text("x")
    (tmp_path / "link.py").symlink_to(folder / "keys.py")
    monkeypatch.chdir(folder)
    for path in (Path("keys.py"), folder / "keys.py", tmp_path / "link.py"):
        with pytest.raises(LocalcoderError, match="never sent to box"):
            sendable(Document("x", 0, path), "box", USUAL)
    sendable(Document("x", 0, folder / "keys.py"), "", USUAL)
