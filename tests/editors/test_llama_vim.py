"""Real Neovim and Vim with the real llama.vim, against the real server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from tests.editors.editor import GHOST, INFO, Editor, editing, plugin, program
from tests.editors.recording_proxy import Exchange, RecordingProxy

_SAMPLE = (ROOT / "assets/samples/shelf.py").read_text(encoding="utf-8").rstrip()
# Less than the bundled model's window, so that cells can be shifted when the cursor moves.
BEFORE = _SAMPLE[_SAMPLE.index("class Shelf") :]
"""Ends within `path = Path(`."""
AFTER = "\n\n\ndef main(argv):\n    shelf = load(argv[1])\n    for book in shelf.books:\n        print(book)\n"
LINE = BEFORE.count("\n") + 2
Opens = Callable[[], AbstractContextManager[Editor]]
OLDEST = {"nvim": (0, 10), "vim": (9, 0)}
"""Debian 12's Vim 9.0.1378 shows text that is not in the buffer; llama.vim warns that it wants 9.1, and works."""


@pytest.fixture(params=OLDEST)
def llama_vim(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens an editor on a file with BEFORE and AFTER in it, the plugin as it comes but for how fast its ring fills."""
    command, folder = program(request.param, OLDEST[request.param]), plugin("llama.vim")
    url = request.getfixturevalue("proxy").url
    # The plugin is loaded silently, since its warning waits for a key.
    configuration = f"""
        filetype plugin indent off
        set nocompatible noswapfile nowrap noautoindent shortmess+=I noloadplugins t_Co=256
        {"set notermguicolors" if request.param == "nvim" else ""}
        let g:llama_config = {{ 'endpoint_fim': '{url}/infill', 'ring_update_ms': 20 }}
        set runtimepath^={folder}
        silent runtime plugin/llama.vim
    """
    file = tmp_path / "shelf.py"
    # A first line of its own, so that the server has read nothing of it yet.
    head = f"# {request.node.name}\n"
    file.write_text(head + BEFORE + AFTER)
    return partial(opened, (command,), configuration, file)


@contextmanager
def opened(command: tuple[str, ...], configuration: str, file: Path) -> Iterator[Editor]:
    with editing(command, configuration, file) as editor:
        editor.until(lambda: "class Shelf" in editor.terminal.text, "the file is not shown")
        yield editor


def answered(proxy: RecordingProxy) -> list[Exchange]:
    """The answers to what was asked at a cursor; a ring that is read ahead asks for no tokens."""
    found = [exchange for exchange in proxy.exchanges("/infill") if exchange.body["n_predict"] and exchange.status]
    for exchange in found:
        assert exchange.status == 200, exchange
    return found


def before_cursor(exchange: Exchange) -> str:
    """Without the line that no other test has; llama.vim puts a newline before the first line."""
    return str(exchange.body["input_prefix"] + exchange.body["prompt"]).lstrip("\n").partition("\n")[2]


def type_key(editor: Editor, proxy: RecordingProxy, key: str) -> None:
    """What agrees with the suggestion goes on being shown, and is asked about when there is time."""
    count = len(answered(proxy))
    editor.send("\r" if key == "\n" else key)
    editor.until(lambda: editor.coloured(GHOST) or len(answered(proxy)) > count, "typing was not answered")


def asked_while_typing(proxy: RecordingProxy, typed: str) -> list[Exchange]:
    """Those after the first character, for the text as it was then; not for the one that a suggestion would make."""
    return [
        exchange
        for exchange in answered(proxy)
        if exchange.body["input_suffix"] == AFTER
        and len(BEFORE) < len(before_cursor(exchange))
        and (BEFORE + typed).startswith(before_cursor(exchange))
    ]


def tokens_of(proxy: RecordingProxy, text: str) -> int:
    return len(httpx.post(proxy.url + "/tokenize", json={"content": text}, timeout=60).json()["tokens"])


def text_of(editor: Editor) -> str:
    """What is in the buffer, without the line that no other test has."""
    return editor.saved().split("\n", 1)[1]


def tokens_read(exchange: Exchange) -> int:
    return int(exchange.json()["timings/prompt_n"])


def at_cursor(proxy: RecordingProxy, before: str) -> list[Exchange]:
    return [exchange for exchange in answered(proxy) if before_cursor(exchange) == before]


def suggested(editor: Editor, proxy: RecordingProxy) -> str:
    """Start typing at the end of the line, and wait for what the server says to be on the screen."""
    editor.send(f"{LINE}GA")
    editor.until(lambda: at_cursor(proxy, BEFORE), "nothing was asked")
    (answer, *_) = at_cursor(proxy, BEFORE)
    text: str = answer.json()["content"]
    assert text.strip()
    editor.until(lambda: editor.shows(text), f"the screen does not show {text!r}")
    return text


def test_tab_takes_exactly_what_the_ghost_text_showed(llama_vim: Opens, proxy: RecordingProxy) -> None:
    with llama_vim() as editor:
        text = suggested(editor, proxy)
        assert "\n" in text
        editor.send("\t")
        editor.until(lambda: not editor.shows(text), "it was not taken")
        # llama.vim leaves out newlines at the end.
        assert text_of(editor) == BEFORE + text.rstrip("\n") + AFTER


def test_typing_reads_only_what_is_new(llama_vim: Opens, proxy: RecordingProxy) -> None:
    typed = "path)\n    data = json.loads(path.re"
    with llama_vim() as editor:
        suggested(editor, proxy)
        for key in typed:
            type_key(editor, proxy, key)
        assert text_of(editor) == BEFORE + typed + AFTER
    later = asked_while_typing(proxy, typed)
    assert len(later) > 3 and tokens_of(proxy, BEFORE + AFTER) > 5 * len(typed)
    assert max(map(tokens_read, later)) < len(typed)


def test_moving_reads_only_what_is_new(llama_vim: Opens, proxy: RecordingProxy) -> None:
    up = BEFORE.rsplit("\n", 2)[0]
    with llama_vim() as editor:
        suggested(editor, proxy)
        editor.send("\x1b" + f"{LINE - 2}GA")
        editor.until(lambda: at_cursor(proxy, up), "nothing was asked there")
        assert text_of(editor) == BEFORE + AFTER
    assert tokens_read(at_cursor(proxy, up)[0]) < tokens_of(proxy, BEFORE + AFTER) / 2


def test_a_full_ring_does_no_harm(llama_vim: Opens, proxy: RecordingProxy, tmp_path: Path) -> None:
    """Pieces of other files, that the server reads ahead while nobody types, change nothing of what fits the window."""
    other = tmp_path / "other.py"
    # llama.vim drops what has many words of the text at the cursor.
    pieces = [
        f"{word}_one = {word}_zero\n{word}_two = {word}_one * {word}\n{word}(2)\n"
        for word in (f"piece{i}" for i in range(18))
    ]
    other.write_text("\n".join(pieces))
    with llama_vim() as editor:
        editor.send(f":edit {other}\r")
        for index in range(len(pieces)):
            editor.send(f":{index * 4 + 1},{index * 4 + 3}yank\r")
        editor.until(lambda: any(len(each.body["input_extra"]) == 16 for each in proxy.exchanges("/infill")), "no ring")
        editor.send(f":edit {editor.file}\r")
        editor.until(lambda: "class Shelf" in editor.terminal.text, "the file is not there again")
        with_ring = suggested(editor, proxy)
        for key in "path).":
            type_key(editor, proxy, key)
        assert text_of(editor) == BEFORE + "path)." + AFTER
    (first, *_) = at_cursor(proxy, BEFORE)
    assert len(first.body["input_extra"]) >= 14
    assert max(map(tokens_read, asked_while_typing(proxy, "path)."))) <= 6
    plain = httpx.post(proxy.url + "/infill", json=first.body | {"input_extra": []}, timeout=60).json()
    assert with_ring == plain["content"]


def test_no_suggestion_is_cut_within_a_line(llama_vim: Opens, proxy: RecordingProxy) -> None:
    """llama.vim gives the first answer 250 ms; llama-server then goes on to the end of the line."""
    with llama_vim() as editor:
        suggested(editor, proxy)
    (asked, *_) = answered(proxy)
    body = asked.body | {"prompt": asked.body["prompt"] + "path)\n    if not path:\n        raise ValueError("}
    whole, short = (
        httpx.post(proxy.url + "/infill", json=body | {"t_max_predict_ms": ms}, timeout=60).json()["content"]
        for ms in (600_000, 1)
    )
    assert len(short) > 8 and whole.startswith(short) and whole[len(short) :][:1] in ("", "\n")


def test_the_info_line_has_the_figures_of_the_answer(llama_vim: Opens, proxy: RecordingProxy) -> None:
    with llama_vim() as editor:
        suggested(editor, proxy)
        answer = at_cursor(proxy, BEFORE)[0].json()
        read, generated = answer["timings/prompt_n"], answer["timings/predicted_n"]
        assert read > 0 and generated > 0
        (shown,) = editor.coloured(INFO)
    info = re.search(r"p: (\d+) \((\d+\.\d+) ms, (\d+\.\d+) t/s\) \| g: (\d+) \((\d+\.\d+) ms", shown)
    assert info and int(info[1]) == read and int(info[4]) == generated
    assert float(info[2]) > 0 and float(info[5]) > 0
