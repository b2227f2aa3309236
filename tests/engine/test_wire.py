"""The messages between an engine and its worker come out as they went in, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcoder.engine import wire
from localcoder.engine.api import Request, Token
from localcoder.engine.local import LocalEngine
from localcoder.errors import LocalcoderError

numbers = st.integers(0, 1 << 40)
st.register_type_strategy(float, st.floats(allow_nan=False))
questions = st.sampled_from(get_args(wire.Question)).flatmap(st.from_type)
answers = st.sampled_from(get_args(wire.Answer)).flatmap(st.from_type)


@given(numbers, questions)
def test_every_question_comes_out_as_it_went_in(number: int, question: wire.Question) -> None:
    line = wire.encode(number, question)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert wire.decode_question(line) == (number, question)


@given(numbers, answers)
def test_every_answer_comes_out_as_it_went_in(number: int, answer: wire.Answer) -> None:
    line = wire.encode(number, answer)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert wire.decode_answer(line) == (number, answer)


def test_what_json_and_unicode_make_hard() -> None:
    token = Token(-1, 'a lone surrogate \ud800, "quotes", \u2028 and \x00', float("-inf"))
    assert wire.decode_answer(wire.encode(1, token)) == (1, token)
    pieces = wire.Pieces((b"\xff\n", b""))
    assert wire.decode_answer(wire.encode(1, pieces)) == (1, pieces)


def is_refused(line: bytes) -> bool:
    try:
        wire.decode_answer(line)
    except wire.WireError as error:
        assert len(str(error)) < 2000
        return True
    return False


@given(st.binary())
def test_bytes_at_random_are_refused(line: bytes) -> None:
    assert is_refused(line)


@given(numbers, answers, st.data())
def test_a_message_that_is_cut_short_is_refused(number: int, answer: wire.Answer, data: st.DataObject) -> None:
    line = wire.encode(number, answer)
    assert is_refused(line[: data.draw(st.integers(0, len(line) - 2))])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(answers, values, st.data())
def test_a_message_with_a_field_of_another_kind_is_refused_or_understood(
    answer: wire.Answer, value: object, data: st.DataObject
) -> None:
    """As from a worker of another version: never an error that is none of ours."""
    frame = json.loads(wire.encode(1, answer))
    (body,) = (each for key, each in frame.items() if key != "id")
    key = data.draw(st.sampled_from([*body, "new"]))
    body[key] = value
    line = json.dumps(frame).encode()
    assert is_refused(line) or wire.encode(*wire.decode_answer(line))
    assert key != "new" or is_refused(line)


@pytest.mark.parametrize(
    "line",
    [b"{}", b"[]",
     b'{"id":1}', b'{"id":"1","done":{}}', b'{"id":true,"done":{}}', b'{"done":{}}', b'{"id":1,"done":[]}',
     b'{"id":1,"done":{},"token":{}}', b'{"id":1,"unheard":{}}', b'{"id":1,"generate":{"ids":[1]}}',
     b"[" * 100_000],
)  # fmt: skip
def test_no_message(line: bytes) -> None:
    assert is_refused(line)


def test_a_question_is_no_answer() -> None:
    with pytest.raises(wire.WireError):
        wire.decode_answer(wire.encode(1, Request((1,))))


@pytest.mark.parametrize("said", ["Segmentation fault is printed by nobody", "{'id': 1}", "x" * 100_000])
async def test_a_worker_that_says_what_is_no_message_is_named(
    said: str, demo_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one of another version, whose package was upgraded while the program ran."""
    monkeypatch.setattr("localcoder.engine.worker_process._BOOT", f"print({said!r}, flush=True); input()")
    engine = LocalEngine(demo_model)
    with pytest.raises(LocalcoderError, match="cannot be understood") as caught:
        await engine.info()
    assert said[:20] in caught.value.what and len(caught.value.what) < 500
    await engine.close()
