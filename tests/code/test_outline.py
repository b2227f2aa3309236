"""What a file defines and imports, in each language that has a query."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcoder.code.imports import Import
from localcoder.code.languages import LANGUAGES, Language, by_name
from localcoder.code.outline import has_outline, outline

PYTHON = '''
import a.b, c as d
from .x import (y as z, w)
from m import *
if TYPE_CHECKING:
    K = 1
# Not about f.

# Above f.
@deco(1)
async def f(a,  # the a
            *, b: int = 3,
            ) -> None:
    def inner(): pass
    local = 1
class A(B, metaclass=M):
    """
    First line of it.
    """
    x: int = 3
    def m(self):
        "Says m."
    class N:
        def deep(self): pass
TABLE = {
    1: 2}
'''
TYPESCRIPT = """
import fs, { readFile as rf } from "fs";
import * as path from 'path';
import y = require("y");
import "side";
export * from './z';
export { a as b } from "./w";
export { f as g };
export default Foo;
const { d, e: f } = require("g");
/**
 * Says hello.
 * @param a who
 */
export function hello(a: string, b?: number): Promise<void> { function inner() {} }
// A thing.
export abstract class Foo<T> extends Bar {
  private x: number = 3;
  get value(): T { return 1 as any; }
}
export interface I { a: string; m(b: number): void }
export type T = { a: string } | null;
export const arrow = async (a: number): Promise<string> => { return "" };
declare module "fs" { export function open(p: string): void; }
"""
EXPECTED: dict[str, tuple[str, list[tuple[str, str, str, str]]]] = {
    "python": (PYTHON, [
        ("constant", "K", "K = 1", ""),
        ("function", "f", "@deco(1)\nasync def f(a, *, b: int = 3) -> None:", "Above f."),
        ("class", "A", "class A(B, metaclass=M):", "First line of it."), ("field", "A.x", "x: int = 3", ""),
        ("function", "A.m", "def m(self):", "Says m."), ("class", "A.N", "class N:", ""),
        ("function", "A.N.deep", "def deep(self):", ""), ("constant", "TABLE", "TABLE = { …", ""),
    ]),
    "typescript": (TYPESCRIPT, [
        ("function", "hello", "export function hello(a: string, b?: number): Promise<void>", "Says hello."),
        ("class", "Foo", "export abstract class Foo<T> extends Bar", "A thing."),
        ("field", "Foo.x", "private x: number = 3", ""), ("function", "Foo.value", "get value(): T", ""),
        ("class", "I", "export interface I", ""), ("field", "I.a", "a: string", ""),
        ("function", "I.m", "m(b: number): void", ""),
        ("type", "T", "export type T = { a: string } | null", ""),
        ("function", "arrow", "export const arrow = async (a: number): Promise<string> =>", ""),
        ("module", "fs", 'declare module "fs"', ""),
        ("function", "fs.open", "export function open(p: string): void", ""),
    ]),
    "tsx": ("const A = (p: P) => <div>{p.x}</div>\n", [("function", "A", "const A = (p: P) =>", "")]),
    "javascript": ("/** Adds. */\nfunction add(a, b) { return a + b }\nexports.c = function (z) {}\n"
                   "class D { m(a) {} }\n", [
        ("function", "add", "function add(a, b)", "Adds."), ("function", "c", "exports.c = function (z)", ""),
        ("class", "D", "class D", ""), ("function", "D.m", "m(a)", ""),
    ]),
    "java": ("/** A doc. */\npublic class A<T> extends B {\n  int x = 1;\n  /** m doc */\n"
             "  public List<T> m(int a) { }\n}\n", [
        ("class", "A", "public class A<T> extends B", "A doc."), ("field", "A.x", "int x = 1;", ""),
        ("function", "A.m", "public List<T> m(int a)", "m doc"),
    ]),
    "c": ("#define MAX 3\n/* Adds\n   two. */\nstatic int add(int a) { return a; }\n"
          "struct p { int x; };\nint proto(void);\n", [
        ("constant", "MAX", "#define MAX 3", ""), ("function", "add", "static int add(int a)", "Adds"),
        ("type", "p", "struct p { int x; }", ""), ("function", "proto", "int proto(void)", ""),
    ]),
    "cpp": ("namespace a {\n// Doc of W.\ntemplate <typename T> class W : public B { void draw() const; };\n}\n"
            "void a::W<int>::draw() const { }\n", [
        ("module", "a", "namespace a", ""),
        ("class", "a.W", "template <typename T> class W : public B", "Doc of W."),
        ("function", "a.W.draw", "void draw() const", ""),
        ("function", "a.W.draw", "void a::W<int>::draw() const", ""),
    ]),
    "csharp": ("/// <summary>Doc</summary>\n"
               "public class C : D { public int P { get; set; } int M(string s) => 1; }\n", [
        ("class", "C", "public class C : D", "Doc"), ("field", "C.P", "public int P { get; set; }", ""),
        ("function", "C.M", "int M(string s)", ""),
    ]),
    "go": ("package a\n// Add adds.\nfunc Add(a, b int) (int, error) { return a, nil }\n"
           "type Window[T any] struct { A int }\nfunc (w *Window[T]) Draw(x int) error { return nil }\n"
           "var (\n  A = 1\n)\n", [
        ("function", "Add", "func Add(a, b int) (int, error)", "Add adds."),
        ("type", "Window", "type Window[T any] struct { A int }", ""),
        ("function", "Window.Draw", "func (w *Window[T]) Draw(x int) error", ""), ("constant", "A", "A = 1", ""),
    ]),
    "rust": ("/// Doc of P.\n#[derive(Debug)]\npub struct P { pub x: i32 }\nimpl<T> Foo for P<T> {\n"
             "  /// New.\n  pub fn new(x: i32) -> Self { P{x} } }\npub trait Tr { fn go(&self); }\n", [
        ("type", "P", "pub struct P { pub x: i32 }", "Doc of P."),
        ("function", "P.new", "pub fn new(x: i32) -> Self", "New."),
        ("class", "Tr", "pub trait Tr", ""), ("function", "Tr.go", "fn go(&self)", ""),
    ]),
    "php": ("<?php\n/** Doc */\nclass E extends F { const K = 2; public function m(int $a): string { } }\n", [
        ("class", "E", "class E extends F", "Doc"), ("field", "E.K", "const K = 2;", ""),
        ("function", "E.m", "public function m(int $a): string", ""),
    ]),
    "ruby": ("module M\n  # Doc of K\n  class K < B\n    MAX = 3\n    def m(a, b = 1)\n      x = 1\n"
             "    end\n  end\nend\n", [
        ("module", "M", "module M", ""), ("class", "M.K", "class K < B", "Doc of K"),
        ("field", "M.K.MAX", "MAX = 3", ""), ("function", "M.K.m", "def m(a, b = 1)", ""),
    ]),
    "kotlin": ("/** Doc */\ndata class P(val x: Int) : Q() {\n  val z = 1\n"
               "  fun m(a: Int): String { return \"\" }\n}\n", [
        ("class", "P", "data class P(val x: Int) : Q()", "Doc"), ("field", "P.z", "val z = 1", ""),
        ("function", "P.m", "fun m(a: Int): String", ""),
    ]),
    "swift": ("/// Doc\npublic struct P: Q {\n  var x: Int = 1\n  func m(_ a: Int) -> String { \"\" }\n}\n", [
        ("class", "P", "public struct P: Q", "Doc"), ("field", "P.x", "var x: Int = 1", ""),
        ("function", "P.m", "func m(_ a: Int) -> String", ""),
    ]),
    "lua": ("local M = {}\n-- Adds.\nfunction M.add(a, b) return a end\nfunction M:meth(x) end\n", [
        ("constant", "M", "local M = {}", ""), ("function", "M.add", "function M.add(a, b)", "Adds."),
        ("function", "M.meth", "function M:meth(x)", ""),
    ]),
    "shell": ("# Does it.\ndoit() { echo; }\n", [("function", "doit", "doit()", "Does it.")]),
    "sql": ("CREATE TABLE users (id INT);\n", [("type", "users", "CREATE TABLE users (id INT)", "")]),
}  # fmt: skip


@pytest.mark.parametrize("language", [each for each in LANGUAGES if has_outline(each)], ids=lambda each: each.name)
def test_definitions_have_their_heads_and_no_bodies(language: Language) -> None:
    text, expected = EXPECTED[language.name]
    found = outline(text, language).definitions
    assert [(each.kind, each.qualified_name, each.signature, each.doc) for each in found] == expected


def test_lines_are_those_of_the_whole_definition() -> None:
    text = "x = 1\n@deco\ndef f():\n    pass\n\nexport = 2\n"
    assert [(each.line, each.end_line) for each in outline(text, by_name("python")).definitions] == [
        (1, 1), (2, 4), (6, 6)
    ]  # fmt: skip


def test_python_imports() -> None:
    assert outline(PYTHON, by_name("python")).imports == (
        Import("a.b", "", "a", 2, True), Import("c", "", "d", 2, True), Import(".x", "y", "z", 3, True),
        Import(".x", "w", "w", 3, True), Import("m", "*", "", 4, True),
    )  # fmt: skip


def test_javascript_imports_and_exports() -> None:
    assert outline(TYPESCRIPT, by_name("typescript")).imports == (
        Import("fs", "default", "fs", 2), Import("fs", "readFile", "rf", 2), Import("path", "", "path", 3),
        Import("y", "=", "y", 4), Import("side", "", "", 5), Import("./z", "*", "", 6, True),
        Import("./w", "a", "b", 7, True), Import("", "f", "g", 8, True), Import("", "Foo", "default", 9, True),
        Import("g", "d", "d", 10), Import("g", "e", "f", 10),
    )  # fmt: skip
    commonjs = "const x = require('./x');\nmodule.exports = Foo;\nexports.bar = baz;\nother.bar = baz;\n"
    assert outline(commonjs, by_name("javascript")).imports == (
        Import("./x", "=", "x", 1), Import("", "Foo", "=", 2, True), Import("", "baz", "bar", 3, True),
    )  # fmt: skip


@pytest.mark.parametrize(("name", "text", "modules"), [
    ("java", "import java.util.List;\nimport static a.B.*;\n", ["java.util.List", "a.B.*"]),
    ("c", '#include <stdio.h>\n#include "a/b.h"\n', ["stdio.h", "a/b.h"]),
    ("go", 'package a\nimport ( "fmt"; x "a/b" )\n', ["fmt", "a/b"]),
    ("rust", "use crate::a::B;\n", ["crate::a::B"]),
    ("ruby", "require 'json'\nrequire_relative 'x'\nputs 'y'\n", ["json", "x"]),
    ("lua", 'local json = require("json")\n', ["json"]),
    ("shell", "source ./lib.sh\n. other.sh\n", ["./lib.sh", "other.sh"]),
    ("php", "<?php\nuse B\\C as D;\n", ["B\\C as D"]),
    ("csharp", "using System.Linq;\n", ["System.Linq"]),
    ("kotlin", "import a.b.C\n", ["a.b.C"]),
    ("swift", "import Foundation\n", ["Foundation"]),
])  # fmt: skip
def test_other_languages_imports_are_what_they_say(name: str, text: str, modules: list[str]) -> None:
    assert [each.module for each in outline(text, by_name(name)).imports] == modules


@pytest.mark.parametrize("language", [each for each in LANGUAGES if has_outline(each)], ids=lambda each: each.name)
def test_any_text_has_an_outline(language: Language) -> None:
    texts = [each for each, _ in EXPECTED.values()]
    texts += [EXPECTED[language.name][0][:cut] for cut in range(0, len(EXPECTED[language.name][0]), 7)]
    for text in (*texts, "", "\0", "\ud800", "((((", "ä" * 50, Path(__file__).read_text("utf-8")):
        for each in outline(text, language).definitions:
            assert each.name and 1 <= each.line <= each.end_line <= text.count("\n") + 1


def test_languages_without_a_query_have_none() -> None:
    assert outline("a: 1\n", by_name("yaml")) == outline("x = 1", by_name("plain")) == outline("", by_name("python"))
