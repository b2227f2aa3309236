"""How many of the names that a file uses and does not define are found, and found rightly.

    python tests/benchmarks/needs.py FOLDER… --files 100 [--judge 300] [--show]

Takes files of Python, JavaScript and TypeScript from the folders, as if each were a repository, and prints for each
language how many names are found, where, and why others are not. With `--judge` so many names of Python, found or not,
are also asked of jedi (`pip install jedi`; nothing else here needs it), which follows names by its own means: the share
where both say the same place, or the same name of the same module (jedi has stubs of the standard library of its own).
"""

import argparse
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

from localcoder.code.languages import language_of
from localcoder.code.walk import code_files, read_code
from localcoder.repository.environment import python_environment
from localcoder.repository.needs import Missing, Need, needs_of

LANGUAGES = ("python", "javascript", "typescript", "tsx")


def module_of(path: Path) -> str:
    return path.parent.name if path.stem == "__init__" else path.name.partition(".")[0]


def judge(project: Any, environment: Any, path: Path, text: str, answer: Need | Missing) -> str:
    """same, other, only here, only jedi, neither."""
    import jedi

    lines = text.splitlines()
    pattern = r"\s*\.\s*".join(map(re.escape, answer.use.split(".")))
    match = re.search(rf"(?<![\w.]){pattern}(?!\w)", lines[answer.line - 1])
    if match is None:
        return "not asked"
    script = jedi.Script(text, path=path, project=project, environment=environment)
    try:
        found = script.goto(answer.line, match.end(), follow_imports=True, follow_builtin_imports=True)
    except Exception as error:
        return f"jedi fails: {type(error).__name__}"
    found = [each for each in found if each.type != "module" and each.line is not None and each.module_path is not None]
    if isinstance(answer, Missing):
        return "only jedi" if found else "neither"
    places = {(each.name, module_of(Path(each.module_path))) for each in found}
    if not places:
        return "only here"
    mine = (answer.definition.name, module_of(answer.found.path))
    names = {name for name, _ in places}
    if mine in places:
        return "same"
    return "same name, other module" if mine[0] in names else f"other: {sorted(places)[:2]} and not {mine}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--judge", type=int, default=0, metavar="NAMES")
    parser.add_argument("--show", action="store_true", help="what is not found, and what jedi says otherwise")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    files = [(path, folder.absolute()) for folder in args.folders for path in code_files(folder.absolute())]
    files = [each for each in files if language_of(each[0]).name in LANGUAGES]
    found: dict[str, Counter[str]] = {name: Counter() for name in LANGUAGES}
    reasons: Counter[str] = Counter()
    answers: list[tuple[Path, Path, str, Need | Missing]] = []
    begun = time.perf_counter()
    sample = rng.sample(files, min(args.files, len(files)))
    for path, root in sample:
        text = read_code(path)
        needs = needs_of(path, text, root)
        counts = found[language_of(path).name]
        counts.update(need.found.origin for need in needs.needs)
        counts.update("missing" for _ in needs.missing)
        reasons.update(re.sub(r"\S+ (?=is not found|has no)", "… ", missing.why) for missing in needs.missing)
        answers += [(path, root, text, need) for need in needs.needs]
        answers += [(path, root, text, missing) for missing in needs.missing]
        if args.show:
            for missing in needs.missing:
                print(f"{path}:{missing.line}: {missing.use}: {missing.why}")
    print(f"{len(sample)} files, {(time.perf_counter() - begun) / max(1, len(sample)) * 1000:.0f} ms each")
    for name, counts in found.items():
        total = sum(counts.values())
        if total:
            share = 1 - counts["missing"] / total
            print(f"{name}: {share:.1%} of {total:,} names found: {dict(counts.most_common())}")
    if not args.judge:
        return
    import jedi

    verdicts: dict[str, Counter[str]] = {}
    python = [each for each in answers if language_of(each[0]).name == "python"]
    for path, root, text, answer in rng.sample(python, min(args.judge, len(python))):
        libraries = python_environment(path, root).libraries
        environment = jedi.create_environment(libraries[0].parents[2]) if libraries else None
        verdict = judge(jedi.Project(root), environment, path, text, answer)
        origin = answer.found.origin if isinstance(answer, Need) else "missing"
        verdicts.setdefault(origin, Counter())[verdict.partition(":")[0]] += 1
        if args.show and verdict.startswith(("other", "only jedi", "same name", "jedi fails")):
            print(f"{path}:{answer.line}: {answer.use}: {verdict}")
    for origin, verdict_counts in verdicts.items():
        print(f"jedi on {origin}: {dict(verdict_counts.most_common())}")


if __name__ == "__main__":
    main()
