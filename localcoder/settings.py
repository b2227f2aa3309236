"""The user's settings: a TOML file, over it the environment, over that the command line."""

from __future__ import annotations

import ast
import difflib
import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from localcoder.errors import LocalcoderError
from localcoder.files import write_file
from localcoder.paths import settings_file

Source = Literal["default", "file", "environment"]

_ENVIRONMENT_PREFIX = "LOCALCODER_"
_LARGEST = 1_000_000_000
"""No setting means more than this, and llama.cpp's integers hold it."""
_MOST = {"least_confidence": 1}
"""Of settings that have a natural end."""
_TYPO = 0.8
"""How alike a variable and a setting are from where on one was meant to be the other; 1 is the same."""


@dataclass(frozen=True)
class Settings:
    """Every setting, its default, and what it does."""

    model: str = ""
    """The model to start with: a name, the path of a GGUF file, or a server's address. Empty: the bundled one."""
    automatic: bool = True
    """Suggest by itself after a pause in typing."""
    mode: Literal["line", "block", "free"] = "block"
    """How long a suggestion is: one line, one block, or as long as the model likes."""
    max_tokens: int = 96
    """The most tokens of one suggestion."""
    context: Literal["off", "open files", "repository", "repository and libraries"] = "repository and libraries"
    """What suggestions rest on besides the file: nothing, other open files, or also the signatures that it needs from
    its repository, and from installed libraries."""
    repository: str = ""
    """The folder of the repository. Empty: what is around a file, by .git, pyproject.toml and the like."""
    first_token_s: float = 1.0
    """Seconds in which a suggestion should begin: what cannot be read in that time is read in the background."""
    temperature: float = 0.0
    """0 always gives the likeliest text; up to about 1, alternatives vary more."""
    adapter: str = ""
    """A LoRA adapter on top of the model: FILE.gguf, or FILE.gguf:SCALE. Empty: none."""
    adapter_on: bool = True
    """Use the adapter, or leave it out."""
    threads: int = 0
    """Threads that compute. 0: the physical cores."""
    idle_minutes: float = 30.0
    """Minutes without a request after which the model is unloaded until the next one. 0: never."""
    power_saving: bool = True
    """On battery, or when the processor is too hot: fewer threads, and longer pauses before a suggestion."""
    stand_in: str = ""
    """The local model that answers while a server is away: a name, or the path of a GGUF file. Empty: none does."""
    allowed_hosts: str = ""
    """Servers that code may be sent to, by their hosts' names, with spaces between. A new one is asked about once."""
    never_sent: str = ".env* *.pem *.key id_rsa* id_ed25519* secrets/*"
    """Files that never go to a server, not even in parts: names or paths with * and ?, with spaces between."""
    token_from: str = ""
    """Where a server's token is: keyring, $NAME for a variable, or the path of a file. Empty: it asks for none."""
    server_ca: str = ""
    """A file with the certificate of the authority that a server's certificate is from, if few others know it."""
    server_proxy: str = ""
    """The proxy on the way to a server, like http://proxy:3128. Empty: what HTTPS_PROXY and the like say."""
    server_silence_s: float = 60.0
    """Seconds without a word from a server after which it counts as away. 0: it never does."""
    checks: bool = True
    """Say what is to be distrusted in a suggestion: names, imports, brackets, secrets and the like."""
    theme: str = "textual-dark"
    """Colours of the app."""
    soft_wrap: bool = True
    """Show long lines on several rows."""
    indent_width: int = 4
    """Columns of a tab, and of one step of indentation where neither file nor language has its own."""
    line_numbers: bool = True
    """Show line numbers."""
    close_brackets: bool = True
    """Type the closing bracket or quote with the opening one."""
    restore_session: bool = True
    """Open what was open last time."""
    log_acceptance: bool = False
    """Note on this machine which suggestions are taken, for `eval --from-log`: figures, not their text."""
    keep_text: bool = False
    """With `log_acceptance`: note the text of suggestions, too."""
    least_confidence: float = 0.2
    """Suggest by itself only what has at least this confidence, up to 1, in its first line. 0: all."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Other keys for a command: its id = "key" or "key,key"."""


@dataclass(frozen=True)
class Effective:
    """Settings, and where each value comes from."""

    settings: Settings
    sources: Mapping[str, Source]


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The effective settings. Raises LocalcoderError (exit code 2) for a file or a variable that makes no sense."""
    return load_with_sources(path, environ).settings


def load_with_sources(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Effective:
    """The effective settings and where each comes from. Raises LocalcoderError (exit code 2)."""
    path = path or settings_file()
    from_file = {name: _checked(name, value, str(path)) for name, value in _read(path).items()}
    from_environment: dict[str, Any] = {}
    for variable, text in (os.environ if environ is None else environ).items():
        name = variable.removeprefix(_ENVIRONMENT_PREFIX).lower()
        if not variable.startswith(_ENVIRONMENT_PREFIX) or name == "keys":
            continue
        if name in names():
            from_environment[name] = _checked(name, _parsed(name, text, variable), variable)
        elif near := difflib.get_close_matches(name, names(), 1, _TYPO):
            # Other variables with this prefix are not settings; one that nearly names one was meant to.
            raise LocalcoderError(
                f"{variable}: there is no setting `{name}`.", f"Did you mean {variable_of(near[0])}?", exit_code=2
            )
    sources: dict[str, Source] = dict.fromkeys(names(), "default")
    sources |= dict.fromkeys(from_file, "file")
    sources |= dict.fromkeys(from_environment, "environment")
    return Effective(replace(Settings(), **(from_file | from_environment)), sources)


def save(changes: Mapping[str, Any], path: Path | None = None) -> None:
    """Write some settings to the file; its comments, its order and its other values stay. Raises LocalcoderError."""
    import tomlkit

    path = path or settings_file()
    checked = {name: _checked(name, value, "the new value") for name, value in changes.items()}
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        for name, value in checked.items():
            if name not in document:
                document.add(tomlkit.comment(help_of(name)))
            document[name] = dict(value) if isinstance(value, Mapping) else value
        Path(os.path.realpath(path)).parent.mkdir(parents=True, exist_ok=True)
        write_file(path, tomlkit.dumps(document))
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be written: {error.strerror}.", "Check its permissions.") from None
    except tomlkit.exceptions.ParseError as error:
        raise LocalcoderError(f"{path} is not TOML: {error}.", "Fix or delete it.", exit_code=2) from None


@cache
def names() -> tuple[str, ...]:
    """All settings, in their order."""
    return tuple(item.name for item in fields(Settings))


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"{_ENVIRONMENT_PREFIX}{name.upper()}"


def parse(name: str, text: str) -> Any:
    """A setting's value from a text. Raises LocalcoderError (exit code 2)."""
    if name == "keys":
        raise LocalcoderError("`keys` is a table.", f"Edit {settings_file()}.", exit_code=2)
    return _checked(name, _parsed(name, text, "The command line") if name in names() else text, "The command line")


@cache
def help_of(name: str) -> str:
    """The docstring of a setting."""
    (class_body,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(class_body, ast.ClassDef)
    for statement, following in zip(class_body.body, class_body.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.target.id == name
            and isinstance(following, ast.Expr)
        ):
            return str(ast.literal_eval(following.value))
    raise KeyError(name)


@cache
def choices_of(name: str) -> tuple[str, ...]:
    """What a setting may be, where that is a fixed list; else empty."""
    hint = _hints()[name]
    return get_args(hint) if get_origin(hint) is Literal else ()


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Settings)


def _read(path: Path) -> dict[str, Any]:
    import tomlkit

    try:
        return tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LocalcoderError(f"{path} cannot be read: {error.strerror}.", "Check it.", exit_code=2) from None
    except (tomlkit.exceptions.ParseError, UnicodeDecodeError) as error:
        raise LocalcoderError(f"{path} is not TOML: {error}.", "Fix or delete it.", exit_code=2) from None


def _checked(name: str, value: Any, where: str) -> Any:
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        todo = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(names())}."
        raise LocalcoderError(f"{where}: there is no setting `{name}`.", todo, exit_code=2)
    if choices := choices_of(name):
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, 1)
            todo = f"Did you mean `{near[0]}`?" if near else f"It can be: {', '.join(choices)}."
            raise LocalcoderError(f"{where}: `{name}` cannot be `{value}`.", todo, exit_code=2)
        return value
    default = getattr(Settings(), name)
    kind: Any = dict if isinstance(default, Mapping) else type(default)
    fits = type(value) is kind or (kind is float and type(value) is int)
    # NaN is between nothing, and an endless number fits into no float.
    most = _MOST.get(name, _LARGEST)
    if not fits or (isinstance(value, (int, float)) and not 0 <= value <= most):
        example = f"from 0 to {most}" if name in _MOST else f"like `{default}`"
        raise LocalcoderError(
            f"{where}: `{name}` cannot be `{str(value)[:40]}`.", f"It is {_KINDS[kind]}, {example}.", exit_code=2
        )
    if kind is float:
        value = float(value)
    if kind is dict and not all(isinstance(item, str) for item in value.values()):
        raise LocalcoderError(f"{where}: `{name}` has a value that is no text.", "Put it in quotes.", exit_code=2)
    return value


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "a table of texts"}


def _parsed(name: str, text: str, variable: str) -> Any:
    kind = type(getattr(Settings(), name))
    if kind is str:
        return text
    if kind is bool and text.lower() in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        return text.lower() in ("1", "true", "yes", "on")
    try:
        return kind(text) if kind is not bool else text
    except ValueError:
        raise LocalcoderError(
            f"{variable}: `{name}` cannot be `{text[:40]}`.", f"It is {_KINDS[kind]}.", exit_code=2
        ) from None
