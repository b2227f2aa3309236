"""The engine through its protocol: a real worker, real llama.cpp, the bundled model."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from localcoder.engine.api import Finished, ReadProgress, Request, Sampling, Token
from localcoder.engine.local import LocalEngine
from localcoder.engine.worker_process import cause_of_death
from localcoder.errors import LocalcoderError

CODE = '''import json


def load_settings(path):
    """Read the settings file and return a dictionary."""
    with open(path) as file:
        return json.load(file)


def save_settings(path, settings):
    """Write the settings to a file."""
'''


async def generate(engine: LocalEngine, request: Request) -> tuple[list[Token], Finished]:
    *events, finished = [event async for event in engine.generate(request)]
    assert isinstance(finished, Finished)
    return [event for event in events if isinstance(event, Token)], finished


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        # It ended, and was waited for, between the two looks.
        return False


def children() -> list[psutil.Process]:
    return [process for process in psutil.Process().children() if is_alive(process)]


def changed(model: Path, to: Path, change: Callable[[bytes], bytes]) -> Path:
    """A copy of the model's file with other bytes."""
    to.write_bytes(change(model.read_bytes()))
    return to


async def test_info_names_the_model_its_window_and_its_special_tokens(engine: LocalEngine) -> None:
    info = await engine.info()
    assert info.architecture == "starcoder2"
    assert (info.n_vocab, info.window, info.n_ctx_train) == (6144, 256, 4096)
    special = info.special
    assert (special.endoftext, special.fim_prefix, special.fim_middle, special.fim_suffix) == (0, 1, 2, 3)
    assert (special.fim_pad, special.repo_name, special.file_sep) == (4, 5, 6)
    assert {0, 4, 5, 6} <= set(info.end_ids)
    assert info.is_demo


async def test_a_file_that_does_not_say_its_window_has_the_published_one(demo_model: Path, tmp_path: Path) -> None:
    key = b"starcoder2.attention.sliding_window"
    silent = changed(demo_model, tmp_path / "silent.gguf", lambda data: data.replace(key, key[:-1] + b"_"))
    engine = LocalEngine(silent)
    try:
        assert (await engine.info()).window == 4096
    finally:
        await engine.close()


async def test_user_text_never_becomes_a_control_token(engine: LocalEngine) -> None:
    texts = [
        "<fim_middle>",
        "a<|endoftext|>b",
        "<file_sep><repo_name>",
        "def f():\n\treturn '\u00e9\U0001f600'\r\n",
        "",
    ]
    ids = await engine.tokenize(texts)
    info = await engine.info()
    for text, one in zip(texts, ids, strict=True):
        assert not set(one) & set(info.end_ids)
        assert b"".join(await engine.pieces(one)).decode() == text


async def test_every_id_has_its_exact_bytes(engine: LocalEngine, demo_model: Path) -> None:
    from gguf import GGUFReader

    tokens = GGUFReader(demo_model).fields["tokenizer.ggml.tokens"].contents()
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    byte_of = {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
    pieces = await engine.pieces(range(len(tokens)))
    for i, (token, piece) in enumerate(zip(tokens, pieces, strict=True)):
        assert piece == (token.encode() if i < 38 else bytes(byte_of[c] for c in token)), (i, token)


async def test_the_same_request_gives_the_same_tokens_and_reads_one(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]
    request = Request(ids, max_tokens=24)
    first, cold = await generate(engine, request)
    again, warm = await generate(engine, replace(request, request_id=0))
    assert [t.id for t in first] == [t.id for t in again]
    assert (cold.stats.tokens_read, cold.stats.tokens_reused) == (len(ids), 0)
    assert (warm.stats.tokens_read, warm.stats.tokens_reused) == (1, len(ids) - 1)
    assert cold.stats.tokens_generated == len(first)


async def test_a_seed_repeats_and_another_differs(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]

    async def sampled(seed: int) -> list[int]:
        sampling = Sampling(temperature=1.0, top_k=50, top_p=0.95, min_p=0.01, seed=seed)
        return [t.id for t in (await generate(engine, Request(ids, 16, sampling)))[0]]

    assert await sampled(1) == await sampled(1)
    assert await sampled(1) != await sampled(2)


async def test_logit_bias_and_logprobs(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]
    tokens, _ = await generate(engine, Request(ids := ids[:20], 1, logprobs=True))
    assert tokens[0].logprob is not None and -20 < tokens[0].logprob <= 0
    forbidden = Sampling(logit_bias=((tokens[0].id, -1e9),))
    others, _ = await generate(engine, Request(ids, 1, forbidden, logprobs=True))
    assert others[0].logprob is not None
    assert others[0].id != tokens[0].id and others[0].logprob < tokens[0].logprob


async def test_through_the_cache_equals_a_fresh_context(demo_model: Path) -> None:
    """Typing, going back and jumping, within the window and past it. One thread: the number changes the rounding."""
    text = CODE * 10
    engine = LocalEngine(demo_model, n_threads=1)
    ids = (await engine.tokenize([text]))[0]
    assert len(ids) > 2 * 256
    ends = [120, 125, 131, 128, 300, 304, 303, 560, 572, 566, 90, 575]
    try:
        for end in ends:
            request = Request(ids[:end], max_tokens=12)
            cached, _ = await generate(engine, request)
            fresh = LocalEngine(demo_model, n_threads=1)
            reference, _ = await generate(fresh, replace(request, request_id=0))
            await fresh.close()
            assert [t.id for t in cached] == [t.id for t in reference], end
    finally:
        await engine.close()


async def test_going_back_past_the_window_reads_little(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE * 10]))[0]
    await generate(engine, Request(ids[:500], max_tokens=40))
    _, finished = await generate(engine, Request(ids[:505], max_tokens=1))
    assert finished.stats.tokens_read <= 6
    _, finished = await generate(engine, Request(ids[:480], max_tokens=1))
    assert finished.stats.tokens_read == 1


async def test_warm_reads_ahead(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]
    await engine.warm(ids)
    _, finished = await generate(engine, Request(ids, max_tokens=1))
    assert finished.stats.tokens_read == 1


async def test_progress_counts_to_the_whole_prompt(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE * 3]))[0]
    progress = [e async for e in engine.generate(Request(ids, max_tokens=1)) if isinstance(e, ReadProgress)]
    assert [p.done for p in progress] == sorted({p.done for p in progress})
    assert progress[-1].done == progress[-1].total == len(ids)


async def test_cancel_ends_a_generation_and_the_next_one_works(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]
    nothing_ends = Sampling(logit_bias=tuple((i, -1e9) for i in (await engine.info()).end_ids))
    events = engine.generate(Request(ids, 100_000, nothing_ends))

    async def cancel_the_fifth() -> None:
        seen = 0
        async for event in events:
            if isinstance(event, Token):
                seen += 1
                if seen == 5:
                    await engine.cancel()
            if isinstance(event, Finished):
                assert event.reason == "cancelled"

    await asyncio.wait_for(cancel_the_fifth(), 20)
    _, finished = await generate(engine, Request(ids, 3))
    assert finished.stats.tokens_read == 1


async def test_a_new_request_ends_the_one_before(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]
    nothing_ends = Sampling(logit_bias=tuple((i, -1e9) for i in (await engine.info()).end_ids))
    first = asyncio.create_task(generate(engine, Request(ids, 100_000, nothing_ends)))
    await asyncio.sleep(0.1)
    _, second = await generate(engine, Request(ids, 3))
    assert (await first)[1].reason == "cancelled"
    assert second.reason in ("length", "end")


async def test_closing_the_iterator_cancels(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]
    nothing_ends = Sampling(logit_bias=tuple((i, -1e9) for i in (await engine.info()).end_ids))
    async with aclosing(engine.generate(Request(ids, 100_000, nothing_ends))) as events:
        async for event in events:
            if isinstance(event, Token):
                break
    _, finished = await asyncio.wait_for(generate(engine, Request(ids, 2)), 5)
    assert finished.stats.tokens_generated <= 2


async def test_a_killed_worker_costs_one_request(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0]
    nothing_ends = Sampling(logit_bias=tuple((i, -1e9) for i in (await engine.info()).end_ids))
    with pytest.raises(LocalcoderError, match="SIGKILL"):
        async for event in engine.generate(Request(ids, 100_000, nothing_ends)):
            if isinstance(event, Token):
                for child in children():
                    child.send_signal(signal.SIGKILL)
    _, finished = await generate(engine, Request(ids, 2))
    assert finished.stats.tokens_read == len(ids)


async def test_a_worker_leaves_with_its_parent(demo_model: Path) -> None:
    engine = LocalEngine(demo_model, n_threads=1)
    await engine.info()
    (child,) = children()
    await engine.close()
    assert not is_alive(child)


async def test_python_files_of_the_working_directory_are_not_imported(
    demo_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random", "numpy", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working directory')")
    monkeypatch.chdir(tmp_path)
    engine = LocalEngine(demo_model, n_threads=1)
    try:
        assert (await engine.info()).n_vocab == 6144
    finally:
        await engine.close()


@pytest.mark.parametrize("size", [3_000, 3_000_000])
async def test_a_truncated_model_is_one_clear_line(demo_model: Path, tmp_path: Path, size: int) -> None:
    cut = changed(demo_model, tmp_path / "cut.gguf", lambda data: data[:size])
    with pytest.raises(LocalcoderError, match="cannot be loaded") as caught:
        await LocalEngine(cut).info()
    assert "\n" not in caught.value.what and caught.value.todo
    assert not children()


async def test_foreign_files_are_refused_before_they_are_loaded(demo_model: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.gguf"
    changed(demo_model, foreign, lambda data: data.replace(b"starcoder2", b"starcoder1", 1))
    with pytest.raises(LocalcoderError, match="'starcoder1', not a StarCoder2") as caught:
        await LocalEngine(foreign).info()
    assert caught.value.exit_code == 2
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    with pytest.raises(LocalcoderError, match="not a GGUF"):
        await LocalEngine(text).info()
    with pytest.raises(LocalcoderError, match="no model file"):
        await LocalEngine(tmp_path / "none.gguf").info()


def test_causes_of_death_are_told_apart() -> None:
    assert "GGML_ASSERT(n > 0)" in cause_of_death(-6, ["x", "ggml.c:12: GGML_ASSERT(n > 0) failed"])[0]
    assert "instruction" in cause_of_death(-signal.SIGILL, [])[0]
    assert "memory" in cause_of_death(-9, [])[0]
    assert "SIGSEGV" in cause_of_death(-signal.SIGSEGV, [])[0]
    assert "ImportError: no" in cause_of_death(1, ["Traceback", "ImportError: no", ""])[0]


def test_no_fd_is_left_behind(demo_model: Path) -> None:
    async def once() -> None:
        engine = LocalEngine(demo_model, n_threads=1)
        await engine.tokenize(["x"])
        await engine.close()

    asyncio.run(once())
    before = psutil.Process().num_fds()
    for _ in range(3):
        asyncio.run(once())
    assert psutil.Process().num_fds() == before


async def test_alternatives_share_the_prompt_and_the_first_is_the_greedy_one(engine: LocalEngine) -> None:
    ids = (await engine.tokenize([CODE]))[0][:20]
    greedy, _ = await generate(engine, Request(ids, 12))
    tokens, finished = await generate(engine, Request(ids, 12, alternatives=4))
    branches = [[t.id for t in tokens if t.alternative == i and t.id >= 0] for i in range(4)]
    assert branches[0] == [t.id for t in greedy]
    assert len({tuple(branch) for branch in branches}) >= 3
    assert finished.stats.tokens_read == 1
    assert finished.stats.tokens_generated == sum(map(len, branches))
    again, finished = await generate(engine, Request(ids, 12))
    assert [t.id for t in again] == branches[0] and finished.stats.tokens_read == 1


async def test_forced_bytes_heal_a_cut_token(engine: LocalEngine) -> None:
    before = "import os\n\n\ndef main():\n    print(os.path.join("
    ids = (await engine.tokenize([before]))[0]
    for forced in (b"di", b"__fi", "é".encode(), b"\xe2\x82"):
        tokens, _ = await generate(engine, Request(ids, 6, forced=forced))
        said = b"".join(await engine.pieces([t.id for t in tokens if t.id >= 0]))
        assert said.startswith(forced)
        assert "".join(t.text for t in tokens) == said[len(forced) :].decode("utf-8", "replace")


async def test_drafts_change_the_speed_and_not_the_tokens(engine: LocalEngine) -> None:
    """A text that repeats itself within the window, so that drafts are made."""
    text = "names = ['a', 'b']\nfor name in names:\n    print(name)\n" * 4
    ids = (await engine.tokenize([text]))[0]
    assert len(ids) < 150
    for end in range(len(ids) - 30, len(ids)):
        with_drafts, _ = await generate(engine, Request(ids[:end], 40))
        without, _ = await generate(engine, Request(ids[:end], 40, drafts=False))
        assert [t.id for t in with_drafts] == [t.id for t in without]
