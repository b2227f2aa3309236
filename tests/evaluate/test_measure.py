"""One hole and one candidate: what comes out is the engine's and the pipeline's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from localcoder.completion.complete import Completion, Options, complete
from localcoder.engine.api import TokenScore
from localcoder.engine.local import LocalEngine
from localcoder.errors import LocalcoderError
from localcoder.evaluate.distance import Predictions, distance
from localcoder.evaluate.holes import Hole, cut
from localcoder.evaluate.judge import judge
from localcoder.evaluate.measure import Result, measure, predictions
from localcoder.evaluate.own_code import own_files
from tests.conftest import ROOT

OPTIONS = Options(max_prompt_tokens=200, max_tokens=24)


@pytest.fixture(scope="module")
def holes(tmp_path_factory: pytest.TempPathFactory) -> list[Hole]:
    # The repository's name stands in the prompt: it must not be that of the folder that this was cloned into.
    repository = tmp_path_factory.mktemp("own") / "project"
    shutil.copytree(ROOT / "localcoder" / "code", repository, ignore=shutil.ignore_patterns("__pycache__"))
    (repository / ".git").mkdir()
    return cut(own_files(repository))[:10]


async def test_the_text_is_the_pipelines(engine: LocalEngine, holes: list[Hole]) -> None:
    for hole in holes:
        found = await measure(hole, engine, OPTIONS)
        updates = [update async for update in complete(hole.document, engine, OPTIONS)]
        completion = updates[-1]
        assert isinstance(completion, Completion)
        assert (found.text, found.reason) == (completion.text, completion.reason)
        assert found.prompt_tokens == len(completion.prompt_ids)
        assert 0 <= found.confidence <= 1 and found.memory_bytes > 10_000_000


async def test_the_nats_are_those_of_what_stood_there(engine: LocalEngine, holes: list[Hole]) -> None:
    hole = holes[0]
    found = await measure(hole, engine, OPTIONS)
    completion = [update async for update in complete(hole.document, engine, OPTIONS)][-1]
    assert isinstance(completion, Completion)
    (middle,) = await engine.tokenize([hole.middle])
    scores = await engine.score((*completion.prompt_ids, *middle), len(completion.prompt_ids))
    assert found.tokens == len(middle)
    assert found.nats == pytest.approx(-sum(score.logprob for score in scores), abs=0.05)
    other = await measure(hole, engine, replace(OPTIONS, layout="psm"))
    assert other.nats != pytest.approx(found.nats, abs=0.01)


async def test_a_prompt_is_read_once(engine: LocalEngine, holes: list[Hole]) -> None:
    await measure(holes[0], engine, OPTIONS)
    again = await measure(holes[0], engine, OPTIONS)
    assert again.read_tokens_per_s is None and again.first_token_unread_s is None


async def test_the_order_of_holes_does_not_change_what_comes_out(demo_model: Path, holes: list[Hole]) -> None:
    """With one thread: on a busy machine the engine changes how many it uses, and with them the rounding."""
    engine = LocalEngine(demo_model, n_threads=1)
    there = [await measure(hole, engine, OPTIONS) for hole in holes]
    back = [await measure(hole, engine, OPTIONS) for hole in holes[::-1]][::-1]
    # Where two tokens are as likely, rounding decides.
    assert sum(one.text == other.text for one, other in zip(there, back, strict=True)) >= len(holes) - 1
    assert [each.nats for each in there] == pytest.approx([each.nats for each in back], rel=0.005, abs=0.05)
    await engine.close()


async def test_raw_is_what_the_model_says(engine: LocalEngine, holes: list[Hole]) -> None:
    found = [(await measure(hole, engine, OPTIONS), await measure(hole, engine, OPTIONS, raw=True)) for hole in holes]
    # Where two tokens are as likely, rounding decides; in an empty block more is shown than the model says by itself.
    same = [raw.text.startswith(shown.text.rstrip()) or not raw.text.strip() for shown, raw in found]
    assert sum(same) >= len(found) - 1
    assert any(len(raw.text) > len(shown.text) for shown, raw in found), "the ending cuts something off"
    assert {raw.reason for _, raw in found} <= {"end", "length"}


async def test_anchored_begins_before_the_line(engine: LocalEngine, holes: list[Hole]) -> None:
    hole = next(hole for hole in holes if hole.kind == "rest")
    anchored = await measure(hole, engine, replace(OPTIONS, layout="anchored"))
    psm = await measure(hole, engine, replace(OPTIONS, layout="psm"))
    assert anchored.nats != pytest.approx(psm.nats, abs=0.01)


async def test_a_model_is_no_distance_from_itself(engine: LocalEngine, holes: list[Hole]) -> None:
    for hole in holes[:3]:
        reference = await predictions(hole, engine, OPTIONS)
        assert len(Predictions.from_json(reference.as_json()).middle) == len(reference.middle)
        found = await measure(hole, engine, OPTIONS, reference=Predictions.from_json(reference.as_json()))
        assert found.kl_nats == pytest.approx(0, abs=0.01 * found.tokens)
        assert found.same_top is not None and found.same_top >= 0.9 * found.tokens


def made(probabilities: list[list[float]], most: int) -> Predictions:
    """The likeliest `most` tokens of whole distributions, one a position."""
    scores = []
    for row in probabilities:
        best = sorted(enumerate(row), key=lambda item: -item[1])[:most]
        scores.append(TokenScore(0.0, tuple((token, float(np.log(p))) for token, p in best)))
    return Predictions.of(range(len(probabilities)), scores)


def test_the_divergence_is_the_textbooks_and_of_less_a_lower_bound() -> None:
    rng = np.random.default_rng(0)
    p, q = (rng.dirichlet(np.ones(50), size=6) for _ in range(2))
    whole = float((p * np.log(p / q)).sum())
    found = distance(made(p.tolist(), 50), made(q.tolist(), 50))
    assert found.kl_nats == pytest.approx(whole, rel=1e-4)
    assert found.same_top == (p.argmax(1) == q.argmax(1)).sum()
    assert 0 < distance(made(p.tolist(), 20), made(q.tolist(), 20)).kl_nats < whole


def test_another_vocabulary_is_refused() -> None:
    with pytest.raises(LocalcoderError, match="other tokens"):
        distance(made([[0.5, 0.5]], 2), made([[0.5, 0.5], [0.5, 0.5]], 2))


def said(text: str) -> Result:
    return Result(text, "end", 0.5, 1.0, 1, 10, None, 0.1, 10.0, 0.2, 1, 0.3)


def one_hole(tmp_path: Path, line: str, newline: str = "\n") -> Hole:
    code = newline.join(
        ["import os", "", *["# A comment that makes the file long enough."] * 6, line, "done = True", ""]
    )
    (tmp_path / "a.py").write_bytes(code.encode())
    holes = cut(own_files(tmp_path))
    return next(hole for hole in holes if hole.kind == "line" and hole.middle == line)


@pytest.mark.parametrize(
    ("text", "exact", "parses", "saved"),
    [
        ("path = os.path.join(first, second)", True, True, 34),
        ("path = os.path.join(first, second)  \n", True, True, 34),
        ("path = os.path.join(first, third)", False, True, 27),
        ("path = os.path.joined(first)", False, True, 15),
        ("path = os.path.join(first", False, False, 25),
        ("", False, True, 0),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_judging(tmp_path: Path, text: str, exact: bool, parses: bool, saved: int, newline: str) -> None:
    hole = one_hole(tmp_path, "path = os.path.join(first, second)", newline)
    found = judge(hole, said(text.replace("\n", newline)))
    assert (found.exact, found.parses, found.saved) == (exact, parses, saved)
    assert found.characters == 34 and found.length == len(text.rstrip())
    assert (found.similarity == 1) == exact
