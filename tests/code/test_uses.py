"""Which names a text uses, and which of them get a meaning in it."""

from __future__ import annotations

import pytest

from localcoder.code.languages import by_name
from localcoder.code.uses import Use, uses

PYTHON = """
import os.path as p
def f(a, b: Kind = first, *rest, **more) -> Result:
    for i, j in pairs(a):
        with opened(i) as (x, y), other() as z:
            w = [q for q in z if (n := q)]
    try:
        g = lambda k: k.attr.deep
    except Broken as e:
        p.join(w, key=named)(x).called()
"""


def test_python() -> None:
    found = uses(PYTHON, by_name("python"))
    assert {".".join(each.chain) for each in found.uses} - found.bound == {
        "Kind", "first", "Result", "pairs", "opened", "other", "Broken", "p.join", "named", "k.attr.deep",
    }  # fmt: skip
    assert found.bound >= {*"abijxyzwqngke", "f", "rest", "more"}
    assert found.members == {"attr", "deep", "join", "called"}
    assert found.uses[0] == Use(("Kind",), 3)


@pytest.mark.parametrize(("name", "text", "used", "bound"), [
    ("go", "package a\nfunc f(x T) {\n a, b := g(x)\n for i, v := range m { h(i, v, a, b) }\n}\n",
     {"g", "h", "m", "T"}, {"a", "b", "i", "v", "x"}),
    ("typescript", "const f = (a: T, { b }: U) => { let c = g(a); for (const d of h) k(c, d, b) }\n",
     {"g", "h", "k", "T", "U"}, {"a", "c", "f"}),
    ("rust", "fn f(a: T) -> U { let b = g(a); h(b) }\n", {"g", "h", "T", "U"}, {"a", "b", "f"}),
    ("java", "class A { T f(U a) { V b = g(a); return h(b); } }\n", {"T", "U", "V", "g", "h"}, {"A", "f", "a", "b"}),
])  # fmt: skip
def test_other_languages(name: str, text: str, used: set[str], bound: set[str]) -> None:
    found = uses(text, by_name(name))
    assert {each.chain[0] for each in found.uses} - found.bound >= used
    assert found.bound >= bound and not found.bound & used
