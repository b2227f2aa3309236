"""Real Neovim with the real minuet-ai.nvim, against the real server."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.editors.editor import plugin, program
from tests.editors.recording_proxy import RecordingProxy
from tests.editors.test_llama_vim import AFTER, BEFORE, LINE, Opens, opened

SUFFIX = ""
"""minuet's own template: `prompt` is what stands before the cursor, `suffix` what stands behind it."""
TOKENS = """
    template = {
        prompt = function(before, after, _)
            return '<fim_prefix>' .. before .. '<fim_suffix>' .. after .. '<fim_middle>'
        end,
        suffix = false,
    },
"""
"""Its recipe for llama.cpp's server, with StarCoder2's tokens."""


@pytest.fixture(params=[SUFFIX, TOKENS], ids=["suffix", "tokens"])
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
                    {request.param}
                }},
            }},
        }}
END
    """
    return partial(opened, (command,), configuration, file)


def suggestions(proxy: RecordingProxy) -> list[str]:
    """What was answered to the end; minuet gives up what it asked for when it asks again."""
    whole = [each for each in proxy.exchanges("/v1/completions") if each.answer.rstrip().endswith("[DONE]")]
    return ["".join(event["choices"][0]["text"] for event in each.events()) for each in whole]


def test_tab_takes_exactly_what_the_ghost_text_showed(minuet: Opens, proxy: RecordingProxy) -> None:
    with minuet() as editor:
        editor.send(f"{LINE}GA")
        editor.until(lambda: any(map(editor.shows, filter(str.strip, suggestions(proxy)))), "no suggestion is shown")
        (text, *_) = filter(editor.shows, suggestions(proxy))
        # A block, and not what comes after it.
        assert "\n" in text and "\ndef " not in text
        editor.send("\t")
        editor.until(lambda: not editor.shows(text), "it was not taken")
        assert editor.saved().partition("\n")[2] == BEFORE + text + AFTER
