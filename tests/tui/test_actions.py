from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from textual.document._document import Selection
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from localcoder.checks.finding import Finding
from localcoder.completion.complete import Completion
from localcoder.completion.edits import Edit, Range
from localcoder.engine.api import Stats
from localcoder.engine.vocab import CONTROL_NAMES
from localcoder.tui.app import LocalcoderApp
from localcoder.tui.dialogs.ask import AskLine
from localcoder.tui.screens.action import ActionScreen
from tests.tui import driving
from tests.tui.driving import edit_screen, make_app, screen_text
from tests.tui.fake_engine import INFO, FakeEngine

MODEL = replace(INFO, control=tuple((name, i) for i, name in enumerate(CONTROL_NAMES[:9])))
TAUGHT = replace(MODEL, chat_template="### Instruction ### Response")
GAP = "\n" * 12
CODE = f"def f(a):\n    return a\n{GAP}\ndef g(b):\n    return b\n"


def engine(*answers: str, **more: object) -> FakeEngine:
    return FakeEngine(list(answers), **{"info_value": MODEL, **more})  # type: ignore[arg-type]


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    await driving.until(pilot, condition, 60.0)


def state(app: LocalcoderApp) -> str:
    """What the action's screen says of itself; "" before it has its parts."""
    found = app.screen.query("#state")
    return str(found.first(Static).render()) if found else ""


async def act(app: LocalcoderApp, pilot: Pilot[None], name: str) -> ActionScreen:
    """Do an action of the palette, until its screen is there."""
    edit_screen(app).completing.is_automatic = False
    edit_screen(app).action_act(name)
    await until(pilot, lambda: isinstance(app.screen, (ActionScreen,)))
    screen = app.screen
    assert isinstance(screen, ActionScreen)
    return screen


async def finished(pilot: Pilot[None], screen: ActionScreen) -> None:
    await until(pilot, lambda: "marked" in state(pilot.app) or "nothing to take" in state(pilot.app))  # type: ignore[arg-type]


async def test_the_menu_offers_what_the_model_can_and_one_undo_takes_it_back() -> None:
    app = make_app(engine("Gives it back."), CODE)
    async with app.run_test() as pilot:
        edit_screen(app).completing.is_automatic = False
        await pilot.press("alt+q")
        await until(pilot, lambda: app.screen.query(OptionList))
        options = app.screen.query_one(OptionList)
        assert options.option_count == 4
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ActionScreen))
        screen = app.screen
        assert isinstance(screen, ActionScreen)
        await finished(pilot, screen)
        await until(pilot, lambda: '+    """Gives it back."""' in screen_text(app))
        assert "May be wrong" in screen_text(app)
        await pilot.press("enter")
        editor = edit_screen(app).editor
        await until(pilot, lambda: editor.text != CODE)
        assert editor.text == CODE.replace("(a):\n", '(a):\n    """Gives it back."""\n')
        editor.undo()
        assert editor.text == CODE


async def test_hunks_are_taken_or_left_one_by_one() -> None:
    app = make_app(engine("One.", "Two."), CODE)
    async with app.run_test() as pilot:
        edit_screen(app).editor.selection = Selection((0, 0), edit_screen(app).editor.document.end)
        screen = await act(app, pilot, "docstring")
        await finished(pilot, screen)
        assert len(screen.hunk_views) == 2 and state(app) == "2 of 2 marked"
        await pilot.press("space", "down")
        await until(pilot, lambda: state(app) == "1 of 2 marked" and screen.hunk_views[1].has_focus)
        await pilot.press("enter")
        editor = edit_screen(app).editor
        await until(pilot, lambda: editor.text != CODE)
        assert "One." not in editor.text and '    """Two."""\n' in editor.text
        editor.undo()
        assert editor.text == CODE


async def test_all_or_none_can_be_marked_and_none_changes_nothing() -> None:
    app = make_app(engine("One.", "Two."), CODE)
    async with app.run_test() as pilot:
        edit_screen(app).editor.selection = Selection((0, 0), edit_screen(app).editor.document.end)
        screen = await act(app, pilot, "docstring")
        await finished(pilot, screen)
        await pilot.press("a")
        await until(pilot, lambda: state(app) == "0 of 2 marked")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is edit_screen(app))
        assert edit_screen(app).editor.text == CODE


async def test_it_comes_while_one_looks_and_can_be_cancelled() -> None:
    fake = engine("Words and more words. " * 500, token_s=0.002)
    app = make_app(fake, CODE)
    async with app.run_test() as pilot:
        await act(app, pilot, "docstring")
        await until(pilot, lambda: "Words and more" in screen_text(app))
        assert state(app) == "Writing the docstring of `f`…"
        cancelled = fake.cancelled
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is edit_screen(app) and fake.cancelled > cancelled)
        assert edit_screen(app).editor.text == CODE


async def test_an_instruction_is_asked_for() -> None:
    app = make_app(engine("def f(a):\n    return -a\n```", info_value=TAUGHT), CODE)
    async with app.run_test() as pilot:
        edit_screen(app).action_act("change")
        await until(pilot, lambda: isinstance(app.screen, AskLine) and app.screen.query(Input))
        await pilot.press(*"Negate", "enter")
        await until(pilot, lambda: isinstance(app.screen, ActionScreen))
        screen = app.screen
        assert isinstance(screen, ActionScreen)
        await finished(pilot, screen)
        await pilot.press("enter")
        await until(pilot, lambda: "return -a" in edit_screen(app).editor.text)


async def test_tests_open_as_a_buffer_that_is_not_saved_yet(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    file = tmp_path / "a.py"
    file.write_text(CODE)
    app = make_app(engine("():\n    assert f(1) == 1\n"), CODE, file)
    async with app.run_test() as pilot:
        screen = await act(app, pilot, "tests")
        await finished(pilot, screen)
        await pilot.press("enter")
        await until(pilot, lambda: len(edit_screen(app).buffers) == 2 and edit_screen(app).editor.text)
        front = edit_screen(app).buffers.front
        assert front.path == tmp_path / "tests" / "test_a.py" and front.is_modified
        assert front.editor.text.endswith("def test_f():\n    assert f(1) == 1\n")
        assert front.path is not None and not front.path.exists()
        front.editor.undo()
        assert front.editor.text == ""


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    app = make_app(engine("x"), "x = 1\n", tmp_path / "a.py")
    async with app.run_test() as pilot:
        await act(app, pilot, "docstring")
        await until(pilot, lambda: "no function or class" in state(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is edit_screen(app))
        await act(app, pilot, "explain")
        await until(pilot, lambda: "cannot explain" in state(app))


async def test_an_explanation_is_shown_and_can_be_put_as_a_comment() -> None:
    app = make_app(engine("It gives [a] back.", info_value=TAUGHT), CODE)
    async with app.run_test() as pilot:
        screen = await act(app, pilot, "explain")
        await finished(pilot, screen)
        await until(pilot, lambda: "It gives [a] back." in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: edit_screen(app).editor.text == "# It gives [a] back.\n" + CODE)


def test_every_action_is_in_the_palette() -> None:
    from localcoder.actions.table import ACTIONS
    from localcoder.tui.commands import COMMANDS_BY_ID

    wanted: Sequence[str] = [f"action.{action.name}" for action in ACTIONS]
    assert {id for id in COMMANDS_BY_ID if id.startswith("action.")} == {*wanted, "action.choose"}


async def test_what_is_distrusted_in_the_last_suggestion_is_what_is_to_be_fixed() -> None:
    app = make_app(engine("x"), CODE)
    async with app.run_test() as pilot:
        found = Finding("names", Range(0, 1), 1, 1, "`a` is not defined", "It is nowhere.")
        stats = Stats(1, 0, 1, 0.0, 1.0, 0.0)
        edit_screen(app).completing.last = Completion(
            Edit(Range(0, 0), "a"), "end", stats, "fake", (1,), (), findings=(found,)
        )
        edit_screen(app).action_act("fix")
        await until(pilot, lambda: isinstance(app.screen, AskLine) and app.screen.query(Input))
        assert app.screen.query_one(Input).value == found.what
