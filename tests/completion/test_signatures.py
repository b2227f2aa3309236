"""What of other files' signatures a prompt begins with."""

from pathlib import Path

from localcoder.code.languages import language_of
from localcoder.completion.context.likeness import is_too_like
from localcoder.completion.context.signatures import Piece, gather
from localcoder.repository.needs import needs_of

MODELS = '''"""Models."""

class User:
    """Somebody."""

    def __init__(self, name: str) -> None:
        self.name = name

    def save(self, folder: str) -> None:
        print(folder)

    def never_asked_for(self) -> None:
        pass


def load(name: str) -> User:
    return User(name)
'''
MAIN = """from pathlib import Path
from lib import thing
from models import User, load

user = load("x")
user.save("there")
"""


def pieces(folder: Path, text: str = MAIN, budget: int = 1000, **options: object) -> tuple[Piece, ...]:
    (folder / "pyproject.toml").touch()
    (folder / "models.py").write_text(MODELS)
    library = folder / ".venv" / "lib" / "python3.11" / "site-packages"
    library.mkdir(parents=True, exist_ok=True)
    (folder / ".venv" / "pyvenv.cfg").write_text("version = 3.11.0\n")
    (library / "lib.py").write_text("def thing(count: int) -> int:\n    return count\n")
    path = folder / "main.py"
    needs = needs_of(path, text, folder)
    return gather(needs, language_of(path), budget, **options)  # type: ignore[arg-type]


def test_signatures_are_gathered_by_file_and_ordered_by_path(tmp_path: Path) -> None:
    lib, models = pieces(tmp_path)
    assert (lib.snippet.path, lib.snippet.text) == ("lib.py", "def thing(count: int) -> int: ...\n")
    assert (models.snippet.path, models.origin) == ("models.py", "repository")
    assert models.snippet.text == (
        "class User:\n"
        "    def __init__(self, name: str) -> None: ...\n"
        "    def save(self, folder: str) -> None: ...\n"
        "def load(name: str) -> User: ...\n"
    )
    assert [name for name, _ in models.names] == ["User", "load"]


def test_the_repository_comes_first_where_there_is_little_room(tmp_path: Path) -> None:
    (models,) = pieces(tmp_path, budget=45)
    assert models.snippet.text == "def load(name: str) -> User: ...\n" and models.snippet.size <= 45
    assert pieces(tmp_path, budget=20) == ()


def test_libraries_may_stay_out(tmp_path: Path) -> None:
    assert [piece.origin for piece in pieces(tmp_path, libraries=False)] == ["repository"]


def test_nothing_is_added_to_what_needs_nothing(tmp_path: Path) -> None:
    assert pieces(tmp_path, "import os\n\nprint(os.getcwd())\n") == ()


def test_what_stands_at_the_cursor_already_stays_out(tmp_path: Path) -> None:
    near = "def thing(count: int) -> int:\n    return count\n"
    assert [piece.snippet.path for piece in pieces(tmp_path, near=near)] == ["models.py"]
    assert is_too_like(near, near) and not is_too_like(near, "") and not is_too_like("", "")
