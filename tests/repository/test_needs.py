"""What a file needs is found where its language would find it, and nothing is executed on the way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from localcoder.progress import finish
from localcoder.repository.environment import python_environment
from localcoder.repository.index import Index
from localcoder.repository.needs import Needs, needs_index, needs_of


def make(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def found(needs: Needs) -> dict[str, str]:
    """Use → where and what."""
    return {
        need.use: f"{need.found.library or need.found.origin}: {need.found.name}: {need.definition.signature}"
        for need in needs.needs
    }


def missing(needs: Needs) -> dict[str, str]:
    return {each.use: each.why for each in needs.missing}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    root = tmp_path / "shop"
    installed = ".venv/lib/python3.11/site-packages"
    raising = f"open({str(tmp_path / 'executed')!r}, 'w')\n"
    make(root, {
        ".git/HEAD": "",
        ".venv/pyvenv.cfg": f"home = {tmp_path}/python/bin\nversion = 3.11.7\n",
        f"{installed}/rates/__init__.py": raising + "from ._core import *\nfrom .tables import Table as RateTable\n",
        f"{installed}/rates/_core.py": raising
        + "def convert(amount, to='EUR'):\n    'Converts.'\ndef _hidden(): pass\n",
        f"{installed}/rates/tables.py": raising + "class Base:\n    def shared(self): ...\nclass Table(Base):\n"
        "    def __init__(self, rows): ...\n    def lookup(self, key): ...\n    def other(self): ...\n",
        f"{installed}/rates-2.1.dist-info/RECORD": "rates/__init__.py,,\n",
        f"{installed}/typed/__init__.py": raising + "def size(x):\n    pass\n",
        f"{installed}/typed/__init__.pyi": "def size(x: bytes) -> int: ...\n",
        f"{installed}/linked.pth": f"import sys; {raising}{tmp_path}/elsewhere\n",
        f"{installed}/sitecustomize.py": raising,
        "src/shop/__init__.py": "",
        "src/shop/money.py": "from decimal import Decimal\nLIMIT, OTHER = 3, 4\n"
        "def add(a: int, b: int) -> int:\n    'Adds.'\n",
        "src/shop/deep/__init__.py": "from ..money import add as plus\n",
        "conftest.py": "def helper(): pass\n",
    })  # fmt: skip
    make(tmp_path, {
        "python/lib/python3.11/os.py": "def walk(top): pass\n",
        "python/lib/python3.11/decimal.py": "class Decimal:\n    def sqrt(self): pass\n",
        "elsewhere/editable.py": "def edited(): pass\n",
    })  # fmt: skip
    return root


def test_python(root: Path, tmp_path: Path) -> None:
    text = """
import os, sys
import rates, rates.tables as t
from rates import RateTable, convert, nothing
from .money import LIMIT, Decimal
from . import money
from shop.deep import plus
import typed
import editable as e
import absent.thing

def total(items, os_like):
    local = [convert(item) for item in items]
    table = RateTable(local)
    table.lookup(LIMIT); table.shared()
    money.add(1, 2); plus(1, 2)
    for root, _, _ in os.walk("."): print(root, sys.argv)
    typed.size(b""); e.edited(); t.Table.lookup; rates.missing; rates._core._hidden()
    Decimal().sqrt(); absent.thing.go(); nothing(); undefined()
    Decimal.sqrt
    return total
"""
    needs = needs_of(root / "src/shop/till.py", text, root)
    assert found(needs) == {
        "convert": "rates 2.1: rates/_core.py: def convert(amount, to='EUR'):",
        "RateTable": "rates 2.1: rates/tables.py: class Table(Base):",
        "t.Table.lookup": "rates 2.1: rates/tables.py: def lookup(self, key):",
        "rates._core._hidden": "rates 2.1: rates/_core.py: def _hidden():",
        "LIMIT": "repository: src/shop/money.py: LIMIT, OTHER = 3, 4",
        "money.add": "repository: src/shop/money.py: def add(a: int, b: int) -> int:",
        "os.walk": "standard library: os.py: def walk(top):",
        "typed.size": "library: typed/__init__.pyi: def size(x: bytes) -> int:",
        "e.edited": "library: editable.py: def edited():",
        "Decimal": "standard library: decimal.py: class Decimal:",
        "Decimal.sqrt": "standard library: decimal.py: def sqrt(self):",
    }
    table = next(need for need in needs.needs if need.use == "RateTable")
    assert [each.name for each in table.members] == ["__init__", "lookup"]
    assert (table.line, table.why) == (14, "imported in line 4 from rates")
    assert missing(needs) == {
        "sys.argv": "sys is not found", "rates.missing": "rates/__init__.py has no missing",
        "absent.thing.go": "absent.thing is not found", "nothing": "rates is not found, or has no nothing",
        "undefined": "not imported, not defined",
    }  # fmt: skip
    assert needs.environment == f".venv in {root}"
    assert not (tmp_path / "executed").exists()


def test_names_of_a_star_and_of_a_test(root: Path) -> None:
    text = "from rates import *\nfrom conftest import helper\ndef test_x():\n    convert(helper())\n    _hidden()\n"
    needs = needs_of(root / "tests/test_a.py", text, root)
    assert set(found(needs)) == {"convert", "helper"} and set(missing(needs)) == {"_hidden"}
    assert [need.why for need in needs.needs] == ["by an import of *", "imported in line 2 from conftest"]


def test_what_a_function_imports_is_not_what_others_can_name(root: Path) -> None:
    make(root, {"src/shop/lazy.py": "def f():\n    from .money import add\n"})
    assert missing(needs_of(root / "src/shop/till.py", "from .lazy import add\nadd()\n", root))


def test_modules_that_hand_on_to_each_other_end(root: Path) -> None:
    make(root, {"a.py": "from b import x\nfrom b import *\nclass C(D): pass\nfrom b import D\n",
                "b.py": "from a import x\nfrom a import *\nfrom a import C\nclass D(C): pass\n"})  # fmt: skip
    needs = needs_of(root / "c.py", "from a import x, C\nx()\nC.nothing\n", root)
    assert set(missing(needs)) == {"x"} and set(found(needs)) == {"C.nothing"}


def test_environments(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "src/a.py"
    environment = python_environment(file, root)
    assert environment.standard_library == (tmp_path / "python/lib/python3.11",)
    assert environment.libraries == (root / ".venv/lib/python3.11/site-packages", tmp_path / "elsewhere")
    (root / ".venv/pyvenv.cfg").rename(tmp_path / "pyvenv.cfg")
    active = {"VIRTUAL_ENV": str(root / ".venv")}
    assert python_environment(file, root, active).libraries == environment.libraries
    # A Python on the path that is a script which chooses one, as pyenv's.
    make(tmp_path, {"pyenv/shims/python3": "", "pyenv/version": "3.12.1\n",
                    "pyenv/versions/3.12.1/lib/python3.12/os.py": "",
                    "pyenv/versions/3.12.1/lib/python3.12/site-packages/x.py": ""})  # fmt: skip
    (tmp_path / "pyenv/shims/python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "pyenv/shims"))
    version = tmp_path / "pyenv/versions/3.12.1/lib/python3.12"
    assert python_environment(file, root, {}).standard_library == (version,)
    assert python_environment(file, root, {}).libraries == (version / "site-packages",)
    monkeypatch.setenv("PATH", "")
    assert python_environment(file, root, {}).libraries == ()


@pytest.fixture
def web(tmp_path: Path) -> Path:
    root = tmp_path / "web"
    make(root, {
        ".git/HEAD": "",
        "node_modules/plain/package.json": '{"version": "1.0.0", "main": "lib/main.js"}',
        "node_modules/plain/lib/main.js": "function go(a) {}\nmodule.exports = { go };\n",
        "node_modules/typed/package.json": '{"version": "2.0.0", "types": "types.d.ts", "main": "x.js"}',
        "node_modules/typed/types.d.ts": "export default function make(a: string): Thing;\n"
        "export interface Thing { run(): void }\nexport * from './more';\n",
        "node_modules/typed/more.d.ts": "declare function inner(): number;\nexport { inner as outer };\n",
        "node_modules/@scope/pack/package.json": json.dumps({"version": "3.0.0", "exports": {
            ".": {"import": {"types": "./a.d.mts", "default": "./a.mjs"}}, "./sub/*": "./dist/*.js"}}),
        "node_modules/@scope/pack/a.d.mts": "export declare const a: A;\nexport interface A { m(): void }\n",
        "node_modules/@scope/pack/dist/x.d.ts": "export class X { constructor(a: number); y(): void }\n",
        "node_modules/old/package.json": '{"version": "0.1.0"}',
        "node_modules/old/index.js": "throw new Error()\n",
        "node_modules/@types/old/package.json": '{"version": "0.1.2"}',
        "node_modules/@types/old/index.d.ts": "declare function old(): old.Result;\n"
        "declare namespace old { interface Result {} function part(b: boolean): void; }\nexport = old;\n",
        "node_modules/@types/node/package.json": '{"version": "22.0.0"}',
        "node_modules/@types/node/fs.d.ts": 'declare module "fs" { export function open(path: string): number; }\n',
        "node_modules/@types/node/path.d.ts": 'declare module "path" {\n'
        ' namespace path { interface P { join(...p: string[]): string } }\n'
        " const path: path.P;\n export = path;\n}\n",
        "tsconfig.json": '{"compilerOptions": {"baseUrl": ".", "paths": {"@/*": ["src/*"]}, /* x */ "strict": true,},}',
        "src/lib/index.ts": "export * from './shapes';\nexport * as ns from './shapes';\n",
        "src/lib/shapes.ts": "/** Is round. */\nexport class Circle extends Shape { radius(): number { return 1 } }\n"
        "class Shape { area(): number { return 0 } }\nexport const unit = (a: number): number => a;\n"
        "export default unit;\n",
    })  # fmt: skip
    return root


def test_typescript(web: Path) -> None:
    text = """
import make, { Thing, outer } from "typed";
import * as old from "old";
import { a } from "@scope/pack";
import { X } from "@scope/pack/sub/x";
import { open } from "node:fs";
import path from "path";
import { Circle, ns } from "./lib";
import unit from "@/lib/shapes";
import { unit as u } from "lib/nothing";
const plain = require("plain");
const { go } = require("plain");
export { nothing } from "./lib";

export function f(thing: Thing): Circle {
  make("a"); outer(); old.part(true); a.m(); new X(1).y(); open("x"); path.join("a", "b");
  plain.go(1); go(2); unit(3); ns.unit(4); u(5);
  return new Circle().area();
}
"""
    needs = needs_of(web / "src/app.ts", text, web)
    assert found(needs) == {
        "Thing": "typed 2.0.0: typed/types.d.ts: export interface Thing",
        "Circle": "repository: src/lib/shapes.ts: export class Circle extends Shape",
        "make": "typed 2.0.0: typed/types.d.ts: export default function make(a: string): Thing",
        "outer": "typed 2.0.0: typed/more.d.ts: declare function inner(): number",
        "old.part": "@types/old 0.1.2: @types/old/index.d.ts: function part(b: boolean): void",
        "a.m": "@scope/pack 3.0.0: @scope/pack/a.d.mts: m(): void",
        "X": "@scope/pack 3.0.0: @scope/pack/dist/x.d.ts: export class X",
        "open": "@types/node 22.0.0: @types/node/fs.d.ts: export function open(path: string): number",
        "path.join": "@types/node 22.0.0: @types/node/path.d.ts: join(...p: string[]): string",
        "plain.go": "plain 1.0.0: plain/lib/main.js: function go(a)",
        "unit": "repository: src/lib/shapes.ts: export const unit = (a: number): number =>",
    }
    assert missing(needs) == {"u": "lib/nothing is not found, or has no unit"}
    assert [need.definition.doc for need in needs.needs if need.use == "Circle"] == ["Is round."]


def test_a_package_of_the_same_repository(web: Path) -> None:
    make(
        web,
        {"packages/own/package.json": '{"main": "index.js"}', "packages/own/index.ts": "export function mine() {}\n"},
    )
    (web / "node_modules/own").symlink_to(web / "packages/own")
    needs = needs_of(web / "src/app.js", 'import { mine } from "own"\nmine()\n', web)
    assert found(needs) == {"mine": "repository: packages/own/index.ts: export function mine()"}


def test_other_languages_ask_the_index(tmp_path: Path) -> None:
    root = tmp_path / "go"
    make(root, {
        "main.go": 'package main\nimport "x/store"\nfunc main() {\n'
        '\tlocal := store.Open("a")\n\tlocal.Close()\n\tHelp(local)\n'
        "\tTwice()\n}\n",
        "help.go": "package main\n\n// Help helps.\nfunc Help(a *Store) error { return nil }\n",
        "store/store.go": "package store\ntype Store struct { Path string }\n"
        "func Open(path string) *Store { return nil }\n"
        "func (s *Store) Close() {}\n",
        "one/a.go": "package one\nfunc Twice() {}\n", "two/a.go": "package two\nfunc Twice() {}\n",
        "other.py": "def Help(): pass\n",
    })  # fmt: skip
    path = root / "main.go"
    assert (
        needs_index(path, path.read_text())
        and not needs_index(root / "a.py", "")
        and not needs_index(root / "a.ts", "")
    )
    with Index(root, folder=tmp_path / "indexes") as index:
        finish(index.update())
        needs = needs_of(path, path.read_text(), root, index)
    assert found(needs) == {
        "Open": "repository: store/store.go: func Open(path string) *Store",
        "Close": "repository: store/store.go: func (s *Store) Close()",
        "Help": "repository: help.go: func Help(a *Store) error",
    }
    assert missing(needs) == {"Twice": "2 things have that name"}
    assert needs_of(path, path.read_text(), root) == Needs()


@pytest.mark.parametrize("suffix", [".py", ".ts", ".js", ".tsx", ".go", ".txt", ".md"])
def test_any_text_has_needs(suffix: str, tmp_path: Path) -> None:
    for text in ("", "\0", "import", "from . import", "import a from", "from ..... import x\nx()", "ä" * 9, "{{{"):
        for folder in (tmp_path, Path(os.sep)):
            assert needs_of(folder / f"a{suffix}", text, tmp_path).needs == ()


def test_what_is_imported_and_not_used_yet_is_needed_next(root: Path) -> None:
    text = "from rates import convert\nfrom shop.money import add\nimport os\n\ntotal = add(1, 2)\nprice = \n"
    needs = needs_of(root / "src/shop/new.py", text, root)
    assert found(needs).keys() == {"add", "convert"}
    assert [need.line for need in needs.needs] == [5, 1], "first what is used"


@pytest.mark.parametrize(
    ("name", "text", "module"),
    [
        ("main.py", "from private import key\nfrom shared import area\nkey(area())\n", "def {}(a='secret'): pass\n"),
        ("main.ts", "import {key} from './private'\nimport {area} from './shared'\nkey(area())\n",
         "export function {}(a = 'secret') {{}}\n"),
    ],
)  # fmt: skip
def test_what_git_ignores_is_told_to_nobody(name: str, text: str, module: str, tmp_path: Path) -> None:
    suffix = Path(name).suffix
    make(tmp_path, {
        ".git/HEAD": "", ".gitignore": f"private{suffix}\n", name: text,
        f"private{suffix}": module.format("key"), f"shared{suffix}": module.format("area"),
    })  # fmt: skip
    needs = needs_of(tmp_path / name, text, tmp_path)
    assert found(needs).keys() == {"area"}
    assert missing(needs)["key"] == f"git ignores private{suffix}"
