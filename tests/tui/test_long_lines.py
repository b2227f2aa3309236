"""Lines too long to be wrapped between words at each key."""

from __future__ import annotations

import time

from localcoder.tui.text.display import DrawableWrapping
from localcoder.tui.text.lines import LineDocument
from tests.tui.driving import edit_screen, ghost_text, make_app, until
from tests.tui.fake_engine import FakeEngine


def _state(wrapping: DrawableWrapping) -> tuple[object, ...]:
    return (
        wrapping._wrap_offsets,
        [list(offsets) for offsets in wrapping._line_index_to_offsets],
        wrapping._offset_to_line_info,
        wrapping.height,
    )


def test_edits_leave_the_rows_that_wrapping_everything_anew_would_make() -> None:
    document = LineDocument("short words here\n" + "ab, " * 6_000 + "\nbelow\n" + "c" * 19_999 + "\nend")
    wrapping = DrawableWrapping(document, 10)
    edits = [
        ((1, 50), (1, 50), "xyz"),
        ((1, 0), (1, 15), ""),
        ((1, 7), (1, 7), "new\nline"),
        ((3, 1), (3, 1), "ü"),
        ((4, 5), (4, 5), "dd"),
        ((2, 3), (4, 2), ""),
        ((1, 2), (1, 5), "\t"),
        ((0, 3), (2, 4), "joined"),
    ]
    for start, end, text in edits:
        result = document.replace_range(start, end, text)
        wrapping.wrap_range(start, end, result.end_location)
        assert _state(wrapping) == _state(DrawableWrapping(document, 10)), (start, end, text)


async def test_a_line_of_a_megabyte_is_edited_and_completed() -> None:
    app = make_app(FakeEngine(["done()"]), "x = [" + "123456, " * 131_072 + "]\nlast")
    async with app.run_test(size=(120, 40)) as pilot:
        screen = edit_screen(app)
        screen.completing.is_automatic = False
        screen.editor.move_cursor((0, 500_000))
        await pilot.pause()
        start = time.process_time()
        await pilot.press(*"abcde")
        assert (time.process_time() - start) / 5 < 0.25
        assert screen.editor.document[0][500_000:500_005] == "abcde"
        await pilot.press("f5")
        await until(pilot, lambda: ghost_text(app) == "done()")
        await pilot.press("tab")
        await until(pilot, lambda: screen.editor.document[0][500_005:500_011] == "done()")
        await pilot.press("ctrl+end")
        assert screen.editor.cursor_location == (1, 4)
