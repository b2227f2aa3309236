"""Many who type at once against `localcoder serve`, with and without a long generation beside them.

    python tests/benchmarks/fairness.py --clients 8 --requests 100
    python tests/benchmarks/fairness.py --clients 1 --requests 300 --model LARGE.gguf

Starts a server of its own. Each client types into a file of its own and asks for four tokens after each character.
Prints the median, 95th percentile and longest time to the first token: alone, while another client has 4,096 tokens
generated, and while a third one takes its stream at one byte a second; and how much memory, how many files and how many
tasks the server and its worker have after it all more than after the first tenth.
"""

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil


def code(client: int, functions: int) -> str:
    """Of that client alone; 5 functions are a prompt that the bundled model's window of 256 tokens holds."""
    return "".join(
        f"def function_{client}_{i}(value, other={i}):\n    return value * {i} + other\n\n" for i in range(functions)
    )


def start(model: Path | None) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "localcoder", "serve", "--port", "0", *(["-m", str(model)] if model else [])]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search(r"http://\S+", process.stderr.readline())
    assert found
    return process, found[0]


async def first_piece(http: httpx.AsyncClient, body: dict[str, object]) -> float:
    begin, first = time.perf_counter(), 0.0
    async with http.stream("POST", "/infill", json={**body, "stream": True}) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                first = first or time.perf_counter() - begin
    return first


async def types(url: str, client: int, requests: int) -> list[float]:
    before = code(client, 5)
    typed = f"total = function_{client}_1(total)\n"
    seconds = []
    async with httpx.AsyncClient(base_url=url, timeout=600) as http:
        for i in range(requests):
            body = {
                "input_prefix": before + typed[: i % len(typed) + 1],
                "input_suffix": "\nprint(total)\n",
                "n_predict": 4,
            }
            seconds.append(await first_piece(http, body))
            await asyncio.sleep(0.05)
    return seconds


@contextlib.asynccontextmanager
async def a_long_generation(url: str) -> AsyncIterator[None]:
    """Asked for again as soon as it ends."""

    async def generate() -> None:
        body = {"input_prefix": code(100, 5) + "def ", "n_predict": 4096, "mode": "free", "temperature": 1.0}
        async with httpx.AsyncClient(base_url=url, timeout=600) as http:
            while True:
                await first_piece(http, body)

    task = asyncio.create_task(generate())
    await asyncio.sleep(0.5)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def a_slow_reader(url: str) -> AsyncIterator[None]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1)
    body = json.dumps({"input_prefix": code(101, 5), "n_predict": 2000, "mode": "free", "stream": True}).encode()
    head = f"POST /infill HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)

    async def read() -> None:
        for _ in range(1000):
            await reader.read(1)
            await asyncio.sleep(1)

    task = asyncio.create_task(read())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.close()


def holds(process: subprocess.Popen[str]) -> tuple[float, int, int]:
    """(MB, files, threads) of the server and its worker."""
    server = psutil.Process(process.pid)
    family = [server, *server.children(recursive=True)]
    return (
        sum(each.memory_info().rss for each in family) / 1e6,
        sum(each.num_fds() for each in family),
        sum(each.num_threads() for each in family),
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=100, help="of each client")
    args = parser.parse_args()
    process, url = start(args.model)
    try:

        async def measure(name: str, requests: int) -> None:
            found = await asyncio.gather(*(types(url, client, requests) for client in range(args.clients)))
            seconds = sorted(each for client in found for each in client[1:])
            print(
                f"{name:24} {len(seconds):6} requests  median {statistics.median(seconds):.3f} s"
                f"  95 % {seconds[int(len(seconds) * 0.95)]:.3f} s  longest {seconds[-1]:.3f} s",
                flush=True,
            )

        await measure("(to warm up)", max(2, args.requests // 10))
        before = holds(process)
        await measure("alone", args.requests)
        async with a_long_generation(url):
            await measure("beside a generation", args.requests)
        async with a_slow_reader(url):
            await measure("beside a slow reader", args.requests)
        more = [now - then for now, then in zip(holds(process), before, strict=True)]
        print(f"since the warm-up: {more[0]:+.1f} MB, {more[1]:+} files, {more[2]:+} threads")
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    asyncio.run(main())
