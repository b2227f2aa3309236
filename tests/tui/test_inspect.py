from __future__ import annotations

from pathlib import Path

from localcoder import paths
from localcoder.completion.complete import Completion, Options, complete
from localcoder.completion.document import Document
from localcoder.completion.edits import Edit, Range
from localcoder.engine.api import Stats, Token
from localcoder.engine.local import LocalEngine
from localcoder.settings import Settings
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.files import TextFile, read_text_file
from localcoder.tui.start import Opened
from localcoder.tui.text.prompt_view import confidence, coverage, doubt_spans, shown
from tests.tui.driving import edit_screen, make_app, screen_text, until
from tests.tui.fake_engine import FakeEngine


async def test_coverage_knows_both_orders(engine: LocalEngine) -> None:
    text = "".join(f"value_{number} = {number}\n" for number in range(2000))
    document = Document(text, text.index("value_1000"))
    info = await engine.info()
    for layout in ("psm", "spm"):
        options = Options(layout=layout, max_prompt_tokens=400, max_tokens=2)
        updates = [update async for update in complete(document, engine, options)]
        assert isinstance(updates[-1], Completion)
        ids = updates[-1].prompt_ids
        pieces = await engine.pieces(ids)
        went_in = coverage(document, ids, pieces, info.special)
        assert 0 < went_in.before < went_in.before_total
        assert 0 < went_in.after < went_in.after_total
        assert went_in.first_line <= 1000 <= went_in.last_line < 2001
        whole = b"".join(pieces).decode()
        assert document.prefix[-went_in.before :] in whole
        assert document.suffix[: went_in.after] in whole


async def test_the_path_in_a_prompt_is_no_part_of_the_file(engine: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    document = Document("x = 1\ny = ", 10, tmp_path / "main.py")
    (completion,) = [each async for each in complete(document, engine) if isinstance(each, Completion)]
    pieces = await engine.pieces(completion.prompt_ids)
    assert b"main.py" in b"".join(pieces)
    went_in = coverage(document, completion.prompt_ids, pieces, (await engine.info()).special)
    assert (went_in.before, went_in.after) == (len(document.prefix), len(document.suffix))


async def test_what_of_other_files_went_in_is_shown_with_its_reason(demo_model: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "models.py").write_text("class User:\n    def __init__(self, name: str) -> None:\n        pass\n")
    text = "from models import User\n\nuser = "
    engine = LocalEngine(demo_model, n_threads=1)
    app = LocalcoderApp(lambda model: engine, [Opened(TextFile(text), tmp_path / "main.py")])
    async with app.run_test(size=(110, 40)) as pilot:
        screen = edit_screen(app)
        screen.editor.move_cursor(screen.editor.document.end)
        await until(pilot, lambda: screen.completing.context(screen.editor.snapshot()))
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app) or "nothing" in screen_text(app))
        await pilot.press("f4")
        await until(pilot, lambda: "User: imported in line 1 from models" in screen_text(app))
        assert "models.py" in screen_text(app)


def test_doubt_is_where_tokens_were_improbable() -> None:
    tokens = (Token(1, "ab", -0.01), Token(2, "cd", -1.0), Token(3, "ef", -5.0))
    stats = Stats(1, 0, 3, 0.1, 1.0, 1.0)
    completion = Completion(Edit(Range(0, 0), "abcde"), "end", stats, "m", (1,), tokens)
    assert doubt_spans(completion) == ((2, 4, "doubtful"), (4, 5, "unlikely"))
    assert confidence(None) == "likely"


def test_pieces_show_what_cannot_be_seen() -> None:
    assert shown("a\n\tb\x1b") == "a⏎\n→   b␛"


async def test_the_screen_says_what_went_in_and_why_it_stopped(demo_model: Path) -> None:
    opened = [Opened(read_text_file(paths.assets_dir() / "samples" / "shelf.py"))]
    # A machine that does something else too would not read all of it in a second.
    app = LocalcoderApp(lambda model: LocalEngine(demo_model, n_threads=1), opened, chosen=Settings(first_token_s=60.0))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("f4")
        await until(pilot, lambda: "no completion yet" in screen_text(app))
        edit_screen(app).editor.move_cursor((39, 16))
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in screen_text(app))
        await pilot.press("f4")
        await until(pilot, lambda: "lines 1 to 40 of 41; all of it" in screen_text(app))
        text = screen_text(app)
        assert "stopped" in text
        assert "probability" in text
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is edit_screen(app))


async def test_unsure_parts_are_shaded() -> None:
    app = make_app(FakeEngine(["answer"], logprob=-3.0), "\n")

    def is_shaded() -> bool:
        ghost = edit_screen(app).editor.ghost
        return ghost is not None and ghost.text == "answer" and bool(ghost.spans)

    async with app.run_test() as pilot:
        await pilot.press("alt+s", "f5")
        await until(pilot, is_shaded)
        await pilot.press("a", "n")
        ghost = edit_screen(app).editor.ghost
        assert ghost is not None
        assert ghost.spans[-1] == (3, 4, "ghost--unlikely")
