"""Real Neovim with the real minuet-ai.nvim, against the real server."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.editors.editor import plugin, program
from tests.editors.recording_proxy import RecordingProxy
from tests.editors.test_llama_vim import AFTER, BEFORE, LINE, Opens, opened


@pytest.fixture
def minuet(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens Neovim on a file with BEFORE and AFTER in it."""
    command, folder = program("nvim", (0, 10)), plugin("minuet-ai.nvim")
    url = request.getfixturevalue("proxy").url
    file = tmp_path / "shelf.py"
    file.write_text(f"# {request.node.name}\n{BEFORE}{AFTER}")
    configuration = f"""
        set noswapfile nowrap noautoindent shortmess+=I notermguicolors t_Co=256
        highlight MinuetVirtualText ctermfg=202
        set runtimepath^={folder}
        lua <<END
        require('minuet').setup {{
            provider = 'openai_fim_compatible',
            n_completions = 1,
            request_timeout = 60,
            throttle = 0,
            debounce = 10,
            virtualtext = {{ auto_trigger_ft = {{ 'python' }}, keymap = {{ accept = '<Tab>' }} }},
            provider_options = {{
                openai_fim_compatible = {{
                    api_key = 'TERM',
                    name = 'localcoder',
                    end_point = '{url}/v1/completions',
                    model = 'nano',
                    optional = {{ max_tokens = 56, top_p = 0.9 }},
                }},
            }},
        }}
END
    """
    return partial(opened, (command,), configuration, file)


def test_tab_takes_exactly_what_the_ghost_text_showed(minuet: Opens, proxy: RecordingProxy) -> None:
    with minuet() as editor:
        editor.send(f"{LINE}GA")
        editor.until(lambda: proxy.exchanges("/v1/completions"), "nothing was asked")
        (answer, *_) = proxy.exchanges("/v1/completions")
        text = "".join(event["choices"][0]["text"] for event in answer.events())
        assert answer.status == 200 and text.strip()
        editor.until(lambda: editor.shows(text), f"the screen does not show {text!r}")
        editor.send("\t")
        editor.until(lambda: not editor.shows(text), "it was not taken")
        assert editor.saved().partition("\n")[2] == BEFORE + text + AFTER
