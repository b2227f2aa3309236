"""What starts quickly stays so: in a fresh process, a command loads only what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROBE = """
import sys
from localcoder.cli.main import main
sys.argv = ["localcoder", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in ("textual", "huggingface_hub", "httpx") if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["complete", "--help"], ["serve", "--help"], ["complete", "--max-tokens", "1", "code.py"]]
)
def test_neither_the_app_nor_the_hub_nor_a_client_is_loaded(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "code.py").write_text("def add(a, b):\n    return ")
    run = subprocess.run(
        [sys.executable, "-c", _PROBE, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert run.returncode == 0 and run.stderr.endswith("[]\n"), run.stderr


def test_nor_by_what_serve_loads_when_it_runs() -> None:
    code = (
        "import sys, localcoder.cli.serve, localcoder.serve.app, localcoder.assembly, localcoder.engine.local; "
        "print([name for name in ('textual', 'huggingface_hub', 'httpx') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "[]\n", run.stdout + run.stderr
