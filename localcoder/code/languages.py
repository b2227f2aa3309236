"""The languages that the editor knows: by which names it knows them, how they comment, which grammar colours them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Language:
    """`comment` starts a comment up to the end of the line, or is a pair that encloses one; empty where there is none.

    `grammar` is the module of a tree-sitter grammar, None where there is none to install; `function` is what makes
    the language in it. `inherits` are grammars whose highlight queries go before its own.
    """

    name: str
    label: str
    suffixes: tuple[str, ...]
    comment: str | tuple[str, str]
    grammar: str | None = None
    function: str = "language"
    inherits: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    indent_after: str = r"[{(\[]\s*$"
    """Lines that match make the next one deeper."""
    by_indentation: bool = False
    """Whether a block ends where a line is indented less, rather than at a bracket."""
    ends_by_word: bool = False
    """Whether a word like `end` closes a block: a line indented less does not leave it by that alone."""
    has_strings: bool = True
    """Whether quotes enclose strings; in prose they do not."""
    quotes: str = "\"'"
    """Quotes that come in pairs. In Rust `'` is also the mark of a lifetime, in prose an apostrophe."""
    has_cases: bool = False
    """Whether `case …:` and `default:` label lines that stand deeper."""
    step: str = ""
    """What a level is indented by where the language's users agree on that; empty where they do not."""


_HASH, _SLASHES, _ANGLES = "#", "//", ("<!--", "-->")
_WITH_BACKTICKS = "\"'`"

LANGUAGES: tuple[Language, ...] = (
    Language("python", "Python", (".py", ".pyi", ".pyw"), _HASH, "tree_sitter_python",
             by_indentation=True, indent_after=r"(:|[{(\[])\s*(#.*)?$"),
    Language("javascript", "JavaScript", (".js", ".mjs", ".cjs", ".jsx"), _SLASHES, "tree_sitter_javascript",
             has_cases=True, quotes=_WITH_BACKTICKS, step="  "),
    Language("typescript", "TypeScript", (".ts", ".mts", ".cts"), _SLASHES, "tree_sitter_typescript",
             "language_typescript", ("tree_sitter_javascript",), has_cases=True, quotes=_WITH_BACKTICKS, step="  "),
    Language("tsx", "TSX", (".tsx",), _SLASHES, "tree_sitter_typescript", "language_tsx", ("tree_sitter_javascript",),
             has_cases=True, quotes=_WITH_BACKTICKS, step="  "),
    Language("java", "Java", (".java",), _SLASHES, "tree_sitter_java", has_cases=True),
    Language("c", "C", (".c", ".h"), _SLASHES, "tree_sitter_c", has_cases=True),
    Language("cpp", "C++", (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".cu"), _SLASHES, "tree_sitter_cpp",
             inherits=("tree_sitter_c",), has_cases=True),
    Language("csharp", "C#", (".cs",), _SLASHES, "tree_sitter_c_sharp", has_cases=True),
    Language("go", "Go", (".go",), _SLASHES, "tree_sitter_go", has_cases=True, quotes=_WITH_BACKTICKS, step="\t"),
    Language("rust", "Rust", (".rs",), _SLASHES, "tree_sitter_rust", quotes='"'),
    Language("php", "PHP", (".php",), _SLASHES, "tree_sitter_php", "language_php", has_cases=True),
    Language("ruby", "Ruby", (".rb", ".rake", ".gemspec"), _HASH, "tree_sitter_ruby",
             filenames=("Rakefile", "Gemfile"),
             by_indentation=True, ends_by_word=True,
             indent_after=r"^\s*(def|class|module|if|unless|while|until|case|when|else|elsif|begin|rescue|ensure)\b|"
                          r"\bdo(\s*\|.*\|)?\s*$|[{(\[]\s*$", quotes=_WITH_BACKTICKS, step="  "),
    Language("kotlin", "Kotlin", (".kt", ".kts"), _SLASHES, "tree_sitter_kotlin"),
    Language("swift", "Swift", (".swift",), _SLASHES, "tree_sitter_swift", has_cases=True),
    Language("lua", "Lua", (".lua",), "--", "tree_sitter_lua",
             by_indentation=True, ends_by_word=True,
             indent_after=r"\b(then|do|else|repeat)\s*$|\bfunction\b.*\)\s*$|[{(\[]\s*$"),
    Language("r", "R", (".r", ".R"), _HASH, step="  "),
    Language("sql", "SQL", (".sql",), "--", "tree_sitter_sql", quotes=_WITH_BACKTICKS),
    Language("shell", "Shell", (".sh", ".bash", ".zsh"), _HASH, "tree_sitter_bash",
             filenames=(".bashrc", ".profile", ".zshrc"),
             by_indentation=True, ends_by_word=True, indent_after=r"\b(then|do|else)\s*$|[{(]\s*$",
             quotes=_WITH_BACKTICKS),
    Language("html", "HTML", (".html", ".htm"), _ANGLES, "tree_sitter_html", by_indentation=True, step="  "),
    Language("css", "CSS", (".css", ".scss"), ("/*", "*/"), "tree_sitter_css", step="  "),
    Language("markdown", "Markdown", (".md", ".markdown"), _ANGLES, "tree_sitter_markdown", by_indentation=True,
             has_strings=False, quotes='"`'),
    Language("json", "JSON", (".json", ".jsonc"), "", "tree_sitter_json", step="  "),
    Language("yaml", "YAML", (".yaml", ".yml"), _HASH, "tree_sitter_yaml", by_indentation=True, indent_after=r":\s*$",
             step="  "),
    Language("toml", "TOML", (".toml",), _HASH, "tree_sitter_toml", filenames=("Cargo.lock", "poetry.lock")),
    Language("dockerfile", "Dockerfile", (".dockerfile",), _HASH, filenames=("Dockerfile",)),
    Language("make", "Make", (".mk",), _HASH, filenames=("Makefile", "makefile", "GNUmakefile"),
             by_indentation=True, step="\t"),
)  # fmt: skip

PLAIN = Language(
    "plain", "Plain text", (".txt",), "", indent_after=r"(?!)", by_indentation=True, has_strings=False, quotes='"`'
)

_INTERPRETER = re.compile(r"#!\s*\S*?(?:env\s+(?:-S\s+)?)?(python|node|bash|zsh|sh|ruby|php|lua|Rscript)[\d.]*\b")
_INTERPRETERS = {"node": "javascript", "bash": "shell", "zsh": "shell", "sh": "shell", "Rscript": "r"}


def language_of(path: Path | None, first_line: str = "") -> Language:
    """The language by the file's name, else by the interpreter that its first line names, else plain text.

    A buffer without a name and without such a line is taken for Python, which the models know best.
    """
    if path is not None:
        for language in LANGUAGES:
            if path.name in language.filenames or path.suffix in language.suffixes:
                return language
        if any(path.suffix.lower() in language.suffixes for language in LANGUAGES):
            return language_of(path.with_suffix(path.suffix.lower()))
    if match := _INTERPRETER.match(first_line):
        return by_name(_INTERPRETERS.get(match[1], match[1]))
    return by_name("python") if path is None else PLAIN


def by_name(name: str) -> Language:
    """The language with that name; plain text for a name that is not known."""
    return next((language for language in LANGUAGES if language.name == name), PLAIN)
