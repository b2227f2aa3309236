"""How often checks are wrong about code that somebody wrote, how many faults they find, and how long they take.

    python tests/benchmarks/checks.py FOLDER… [--holes 400] [--faults 60] [--seed 0] [--check names] [--show 5]

Each folder is a repository; it is indexed first. `middles`: holes are cut into its code as by `localcoder eval`, and
what stood there is put in again as a completion: whatever a check says of it is counted as a false alarm. Import
statements are few among them, and are counted once more by themselves. `faults`: for each check one fault is put into
such a middle, or beside it: a name misspelt, an import of what is not there, a bracket dropped where the code parses
without the completion, an insecure call, a key, a mark of redaction, a function of another file. It is found if the
check says more of it than of the true middle. Times are the processor's, of one check by itself, with all that it has
to parse (bandit is loaded before).
"""

from __future__ import annotations

import argparse
import ast
import gc
import random
import re
import statistics
import string
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from localcoder.checks import insecure
from localcoder.checks.change import Change
from localcoder.checks.check import CHECKS, check
from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.outline import import_statements, outline
from localcoder.code.parsed import Parsed
from localcoder.code.ranges import Range
from localcoder.evaluate.holes import Hole, cut
from localcoder.evaluate.own_code import OwnFile, own_files
from localcoder.repository.index import Index

INSECURE = (
    "import subprocess; subprocess.call(command, shell=True)",
    "import subprocess; out = subprocess.check_output('ls ' + name, shell=True)",
    "import hashlib; digest = hashlib.md5(password.encode()).hexdigest()",
    "import pickle; state = pickle.loads(data)",
    "import yaml; config = yaml.load(text, Loader=yaml.Loader)",
    "result = eval(expression)",
    "exec(source)",
    "import requests; answer = requests.get(url, verify=False, timeout=5)",
    "import tempfile; name = tempfile.mktemp()",
    "import ssl; context = ssl._create_unverified_context()",
    "cursor.execute(\"SELECT * FROM users WHERE name = '%s'\" % name)",
    "import os; os.chmod(path, 0o777)",
    "import telnetlib; line = telnetlib.Telnet(host)",
    "import xml.etree.ElementTree as ET; tree = ET.fromstring(data)",
    "import marshal; code = marshal.loads(data)",
    "import paramiko; client.set_missing_host_key_policy(paramiko.AutoAddPolicy())",
)
LANGUAGES = {
    "imports": ("python", "javascript", "typescript", "tsx"), "names": ("python",), "insecure": ("python",),
}  # fmt: skip
"""Those that a check knows, where it is not all."""
MODULES = ("fast", "easy", "utils", "http", "json", "data", "cloud", "parse", "async", "tools", "helper", "config")


def change_of(hole: Hole, text: str, index: Index) -> Change:
    document = hole.document
    return Change(document.text, Range(document.cursor, document.cursor), text, document.path, index)


class Seeds:
    """Makes faults in the holes of one repository."""

    def __init__(self, files: Sequence[OwnFile], rng: random.Random) -> None:
        self._rng = rng
        self._functions: dict[str, list[tuple[OwnFile, str]]] = defaultdict(list)
        for file in files:
            lines = file.text.splitlines()
            for each in outline(file.text, file.language).definitions:
                if each.kind == "function" and 7 <= each.end_line - each.line <= 25:
                    text = "\n".join(lines[each.line - 1 : each.end_line])
                    if len(text) >= 250:
                        self._functions[file.language.name].append((file, text))

    def make(self, name: str, hole: Hole) -> str | None:
        """The middle with a fault in it; None where that cannot be made of this hole."""
        makers: dict[str, Callable[[Hole], str | None]] = {
            "parse": self._bracket, "imports": self._import, "names": self._name, "insecure": self._insecure,
            "redactions": self._redaction, "secrets": self._secret, "copies": self._copy,
        }  # fmt: skip
        return makers[name](hole)

    def _bracket(self, hole: Hole) -> str | None:
        grammar = grammar_of(hole.file.language)
        assert grammar is not None
        data = hole.file.text.encode()
        tree = limited_parser(grammar, 2.0).parse(data)
        start, end = len(hole.file.text[: hole.start].encode()), len(hole.file.text[: hole.end].encode())
        nodes, places = [tree.root_node], []
        while nodes:
            node = nodes.pop()
            if node.start_byte >= end or node.end_byte <= start:
                continue
            if node.type in tuple("()[]{}") and start <= node.start_byte < end:
                places.append(node.start_byte)
            nodes.extend(node.children)
        document = hole.document
        if not places or Parsed(grammar, document.prefix, document.suffix).flaws:
            return None
        at = self._rng.choice(places)
        return (data[start:at] + data[at + 1 : end]).decode()

    def _import(self, hole: Hole) -> str | None:
        language = hole.file.language.name
        module = "_".join(self._rng.sample(MODULES, 2)) + self._rng.choice(("", "x", "_lite"))
        if language == "python":
            name = hole.file.name.partition("/")[0]
            line = self._rng.choice(
                (f"import {module}", f"from {module} import load", f"import {module}.core as core",
                 f"from {module}.client import Client")
                + ((f"from {name}.{module} import load",) if name.isidentifier() else ())
            )  # fmt: skip
        elif language in ("javascript", "typescript", "tsx"):
            module = module.replace("_", "-")
            line = self._rng.choice(
                (f'import x from "{module}";', f'const x = require("{module}");', f'import {{ y }} from "./{module}";',
                 f'import * as z from "@{module}/core";')
            )  # fmt: skip
        else:
            return None
        return self._statement(hole, line)

    def _name(self, hole: Hole) -> str | None:
        if hole.file.language.name != "python":
            return None
        with suppress(SyntaxError, ValueError):
            tree = ast.parse(hole.file.text)
            starts = [0]
            for line in hole.file.text.splitlines(keepends=True):
                starts.append(starts[-1] + len(line))
            if not hole.file.text.isascii():
                return None
            uses = [
                (starts[node.lineno - 1] + node.col_offset, node.id)
                for node in ast.walk(tree)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and len(node.id) >= 3
            ]
            uses = [(at, name) for at, name in uses if hole.start <= at and at + len(name) <= hole.end]
            if uses:
                at, name = self._rng.choice(uses)
                wrong = self._misspelt(name)
                if not re.search(rf"\b{wrong}\b", hole.file.text):
                    text = hole.middle
                    return text[: at - hole.start] + wrong + text[at - hole.start + len(name) :]
        return None

    def _misspelt(self, name: str) -> str:
        at = self._rng.randrange(1, len(name))
        return self._rng.choice(
            (name[:at] + name[at - 1] + name[at:], name[:at] + self._rng.choice("aeiou") + name[at:], name + "s",
             name[:at] + name[at + 1 :] if at + 1 < len(name) else name + "_")
        )  # fmt: skip

    def _insecure(self, hole: Hole) -> str | None:
        if hole.file.language.name != "python":
            return None
        return self._statement(hole, self._rng.choice(INSECURE))

    def _secret(self, hole: Hole) -> str | None:
        def drawn(count: int, letters: str = string.ascii_letters + string.digits) -> str:
            return "".join(self._rng.choice(letters) for _ in range(count))

        hexadecimal = string.hexdigits[:16]
        name, value = self._rng.choice(
            (
                ("key", "AKIA" + drawn(16, string.ascii_uppercase + string.digits)),
                ("token", "ghp_" + drawn(36)),
                ("api_key", drawn(32)),
                ("apiKey", drawn(40, hexadecimal)),
                ("SECRET_KEY", drawn(50)),
                ("password", self._rng.choice(("Summer", "admin", "qwerty", "letMeIn")) + drawn(5, string.digits)),
                ("stripe", "sk_live_" + drawn(24)),
                ("access_token", "eyJ" + drawn(20) + ".eyJ" + drawn(40) + "." + drawn(43)),
                ("client_secret", drawn(24)),
                ("google", "AIza" + drawn(35)),
                ("openai", "sk-proj-" + drawn(48)),
            )
        )
        return self._before(hole, f'{name} = "{value}"')

    def _redaction(self, hole: Hole) -> str | None:
        mark = self._rng.choice(("<NAME>", "<EMAIL>", "<KEY>", "<PASSWORD>"))
        return self._before(hole, f'author = "{mark}"')

    def _copy(self, hole: Hole) -> str | None:
        others = [text for file, text in self._functions[hole.file.language.name] if file.name != hole.file.name]
        return self._before(hole, self._rng.choice(others)) if others else None

    def _statement(self, hole: Hole, line: str) -> str | None:
        """The same; None where no statement may stand."""
        text, grammar, document = self._before(hole, line), grammar_of(hole.file.language), hole.document
        if text is None or grammar is None:
            return None
        place = Parsed(grammar, document.prefix, document.suffix)
        return text if place.fit(text).flaws <= place.fit(hole.middle).flaws else None

    def _before(self, hole: Hole, line: str) -> str | None:
        """That before the middle, where a statement begins there."""
        before = hole.file.text[: hole.start]
        indentation = before[before.rfind("\n") + 1 :]
        if indentation.strip() or hole.kind not in ("line", "block", "function"):
            return None
        return f"\n{indentation}".join([*line.split("\n"), hole.middle])


def import_statements_of(files: Sequence[OwnFile], index: Index) -> Iterator[Change]:
    """Each statement that imports something, as what is put in where it stands."""
    for file in files:
        grammar = grammar_of(file.language)
        if grammar is None or file.language.name not in LANGUAGES["imports"]:
            continue
        data = file.text.encode()
        root = limited_parser(grammar, 2.0).parse(data).root_node
        for node, _ in import_statements(root, data, file.language, 0, len(data)):
            start, end = (len(data[:byte].decode()) for byte in (node.start_byte, node.end_byte))
            before = file.text[:start] + file.text[end:]
            yield Change(before, Range(start, start), file.text[start:end], file.path, index)


def misses(name: str, faults: Iterator[tuple[Change, Change]], most: int) -> tuple[int, list[Change]]:
    """(how many faults, those that were not found)."""
    count, missed = 0, []
    for faulty, sound in faults:
        found = check(faulty, (name,))
        if len(found) <= len(check(sound, (name,))):
            missed.append(faulty)
        count += 1
        if count >= most:
            break
    return count, missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--holes", type=int, default=400, help="of each folder")
    parser.add_argument("--faults", type=int, default=60, help="of each check in each folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="append", choices=CHECKS)
    parser.add_argument("--show", type=int, default=0, help="false alarms and missed faults to print, of each check")
    options = parser.parse_args()
    names: tuple[str, ...] = tuple(options.check or CHECKS)
    if "insecure" in names and not insecure.is_there():
        parser.error("bandit is not installed: pip install 'localcoder[checks]'")
    alarms: dict[str, int] = defaultdict(int)
    times: dict[str, list[float]] = defaultdict(list)
    seeded: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    middles: dict[str, int] = defaultdict(int)
    languages: dict[str, int] = defaultdict(int)
    statements = [0, 0]
    for folder in options.folders:
        files = own_files(folder)
        rng = random.Random(options.seed)
        seeds = Seeds(files, rng)
        holes = cut(files, seed=options.seed)
        with tempfile.TemporaryDirectory() as temporary, Index(folder, folder=Path(temporary)) as index:
            for _ in index.update():
                pass
            # What the holes hold in memory is not looked through on the checks' account.
            gc.collect()
            gc.freeze()
            for hole in holes[: options.holes]:
                languages[hole.file.language.name] += 1
                for name in names:
                    if hole.file.language.name not in LANGUAGES.get(name, (hole.file.language.name,)):
                        continue
                    change = change_of(hole, hole.middle, index)
                    begun = time.process_time()
                    found = check(change, (name,))
                    times[name].append((time.process_time() - begun) * 1000)
                    middles[name] += 1
                    alarms[name] += bool(found)
                    if found and alarms[name] <= options.show:
                        print(
                            f"{name}: {hole.file.path}:{hole.line} ({hole.kind}): {found[0].what}: {hole.middle!r:.160}"
                        )
            if "imports" in names:
                changes = [*import_statements_of(files, index)]
                for change in rng.sample(changes, min(options.holes, len(changes))):
                    statements[0] += 1
                    if found := check(change, ("imports",)):
                        statements[1] += 1
                        if options.show:
                            print(f"import statement: {change.path}:{found[0].line}: {found[0].what}")
            for name in names:
                faults = (
                    (change_of(hole, text, index), change_of(hole, hole.middle, index))
                    for hole in holes
                    if (text := seeds.make(name, hole)) is not None and text != hole.middle
                )
                count, missed = misses(name, faults, options.faults)
                seeded[name][0] += count
                seeded[name][1] += len(missed)
                for each in missed[: options.show]:
                    print(f"{name} missed: {each.path}: {each.text!r:.200}")
    if statements[0]:
        print(f"import statements: {statements[0]}, something said of {statements[1]} (also where it is true)")
    print(", ".join(f"{count} in {language}" for language, count in sorted(languages.items())))
    print(f"{'check':<12}{'middles':>8}{'alarms':>8}{'%':>7}{'faults':>8}{'found %':>9}{'median ms':>11}{'99 % ms':>9}")
    for name in filter(middles.__contains__, names):
        taken = sorted(times[name])
        count, lost = seeded[name]
        found_share = f"{100 * (count - lost) / count:.1f}" if count else "-"
        print(
            f"{name:<12}{middles[name]:>8}{alarms[name]:>8}{100 * alarms[name] / middles[name]:>7.2f}{count:>8}"
            f"{found_share:>9}{statistics.median(taken):>11.1f}{taken[int(len(taken) * 0.99)]:>9.1f}"
        )


if __name__ == "__main__":
    main()
