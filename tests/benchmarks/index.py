"""What the index of a large repository costs.

    python tests/benchmarks/index.py FOLDER… --lines 1000000

Copies the code of the folders (the packages installed for this Python, where none is named) into one repository of so
many lines and prints: the seconds and the memory of its first index, of an update with nothing changed and of one saved
file; how long queries take; and how late a timer comes in a process that does nothing else (what somebody who types
would notice), with no update going on, with one in a process of its own, and with one in a thread.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from localcoder.code.walk import code_files
from localcoder.progress import finish
from localcoder.repository.background import update_in_background
from localcoder.repository.index import Index

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from localcoder.progress import finish
from localcoder.repository.index import Index
with Index(Path(sys.argv[1]), folder=Path(sys.argv[2])) as index:
    begun = time.monotonic()
    done = finish(index.update())
    print(json.dumps([done.files, done.taken_in, time.monotonic() - begun, time.process_time(),
                      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def collect(folders: Sequence[Path], lines: int, target: Path) -> int:
    """Copy code until there are so many lines; how many there are."""
    found = 0
    for turn in range(1000):
        for number, folder in enumerate(folders):
            for path in code_files(folder):
                if found >= lines:
                    return found
                copy = target / f"{turn}-{number}" / path.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                found += path.read_bytes().count(b"\n")
        if not found:
            break
    raise SystemExit("There is no code in these folders.")


def spread(times: Sequence[float]) -> str:
    ordered = sorted(time * 1000 for time in times)
    return (
        f"median {ordered[len(ordered) // 2]:.1f} ms, 95 % {ordered[int(len(ordered) * 0.95)]:.1f} ms,"
        f" slowest {ordered[-1]:.1f} ms"
    )


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def update(root: Path, indexes: Path) -> tuple[int, int, float, float, float]:
    """(files, of them read, seconds, of them computing, MB) in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _CHILD, str(root), str(indexes)], capture_output=True, check=True)
    files, read, seconds, computing, memory = json.loads(done.stdout)
    return files, read, seconds, computing, memory


def lateness(seconds: float, work: Callable[[], object] | None = None) -> list[float]:
    """How late a timer of 5 ms comes, again and again, meanwhile."""
    late: list[float] = []
    thread = threading.Thread(target=work) if work else None
    if thread:
        thread.start()
    end = time.perf_counter() + seconds
    while (thread.is_alive() if thread else time.perf_counter() < end) or not late:
        begun = time.perf_counter()
        time.sleep(0.005)
        late.append(time.perf_counter() - begun - 0.005)
    return late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", default=[Path(sysconfig.get_path("platlib"))])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--typing", action="store_true", help="what somebody who types would notice, too")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        root, indexes = Path(name, "repository"), Path(name, "indexes")
        lines = collect(args.folders, args.lines, root)
        files, _, seconds, computing, memory = update(root, indexes)
        size = sum(path.stat().st_size for path in indexes.glob("*.sqlite*")) / 1e6
        print(f"{lines:,} lines, {files:,} files: {seconds:.1f} s ({computing:.1f} s computing), {memory:.0f} MB,"
              f" {size:.0f} MB on disk")  # fmt: skip
        time.sleep(2)
        update(root, indexes)
        _, read, seconds, _, memory = update(root, indexes)
        print(f"nothing changed: {seconds:.2f} s, {read} files taken in, {memory:.0f} MB")
        with Index(root, folder=indexes) as index:
            paths = rng.sample(index.names(), args.queries)
            searches, names, saved = [], [], []
            for path in paths:
                text = (root / path).read_text("utf-8", "replace").splitlines()
                start = rng.randrange(max(1, len(text) - 20))
                query = "\n".join(text[start : start + 20])
                searches.append(timed(lambda query=query: index.search(query)))  # type: ignore[misc]
                outline = index.outline(path)
                if outline is not None and outline.definitions:
                    wanted = rng.choice(outline.definitions).name
                    names.append(timed(lambda wanted=wanted: index.definitions(wanted)))  # type: ignore[misc]
            print(f"search for 20 lines: {spread(searches)}")
            print(f"definitions of a name: {spread(names)}")
            for path in paths[:100]:
                with (root / path).open("a", encoding="utf-8") as file:
                    file.write("\n# saved\n")
                saved.append(timed(lambda path=path: index.update_file(root / path)))  # type: ignore[misc]
            print(f"one saved file: {spread(saved)}")
        if args.typing:
            print(f"a timer with nothing going on: {spread(lateness(5))}")
            shutil.rmtree(indexes)
            print(f"with an update in the background: "
                  f"{spread(lateness(0, lambda: finish(update_in_background(root, folder=indexes))))}")  # fmt: skip
            shutil.rmtree(indexes)

            def in_thread() -> None:
                with Index(root, folder=indexes) as index:
                    finish(index.update())

            print(f"with an update in a thread: {spread(lateness(0, in_thread))}")


if __name__ == "__main__":
    main()
