# ruff: noqa: E501
from pathlib import Path

import pytest

from localcoder.code.guess import language_at

SAMPLES = {
    "python": "import os\n\n\ndef f(a: int) -> str:\n    for b in range(a):\n        print(b)\n    return 'x'\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tx := []int{1, 2}\n\tfmt.Println(x)\n}\n',
    "rust": "use std::fmt;\n\nimpl A {\n    fn f(&mut self) -> Option<u8> {\n        let x = self.y?;\n        Some(x)\n    }\n}\n",
    "java": "package a;\n\npublic class A {\n    private final int x = 1;\n    public int f() { return x; }\n}\n",
    "c": "#include <stdio.h>\n\nstatic int f(const char *s)\n{\n    printf(\"%s\", s);\n    return 0;\n}\n",
    "javascript": "const a = require('b');\n\nfunction f(x) {\n  return x.map((y) => y + 1);\n}\nmodule.exports = { f };\n",
    "typescript": "interface A { x: number; y?: string }\n\nexport function f(a: A): number {\n  return a.x as number;\n}\n",
    "lua": "local a = require('b')\n\nfunction a.f(x)\n  if x ~= nil then\n    return x .. 'y'\n  end\nend\n",
    "ruby": "require 'a'\n\nclass A < B\n  attr_reader :x\n\n  def f(y)\n    y.each { |z| puts z }\n  end\nend\n",
    "php": "<?php\n\nfunction f($x) {\n    return $x + 1;\n}\n",
    "json": '{\n  "a": [1, true, null],\n  "b": {"c": "d"}\n}\n',
    "plain": "Dear all,\n\nit's a fine day (isn't it?), and: here we are.\nWhat else is there; to say!\n" * 3,
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_text_without_a_name_is_known_by_what_parses_it(name: str) -> None:
    assert language_at(None, SAMPLES[name], len(SAMPLES[name])).name == name


def test_a_name_and_an_interpreter_win() -> None:
    assert language_at(Path("a.rb"), SAMPLES["go"], 0).name == "ruby"
    assert language_at(None, "#!/bin/sh\n" + SAMPLES["go"], 0).name == "shell"
    assert language_at(None, "", 0).name == "python"
