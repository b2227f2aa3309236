"""Step 1: the text that the nano checkpoint was trained on, its tokenizer, and the token stream.

    pip download --no-deps --only-binary=:all: -d whl $(cat packages.txt)     # versions as listed
    python corpus.py whl                    # with CPython 3.11.7: its standard library is part of the corpus

Writes tokenizer.json, stream.npy (training, uint16), hold.npy and hold.json (held out). Needs numpy and tokenizers.
"""

from __future__ import annotations

import ast
import hashlib
import json
import pathlib
import random
import sys
import sysconfig
import zipfile
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HELD_OUT = {"requests", "flask", "marshmallow", "tqdm"}
SPECIAL = [
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<repo_name>",
    "<file_sep>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<jupyter_script>",
    "<empty_output>",
    "<code_to_intermediate>",
    "<intermediate_to_code>",
    "<pr>",
    "<pr_status>",
    "<pr_is_merged>",
    "<pr_base>",
    "<pr_file>",
    "<pr_base_code>",
    "<pr_diff>",
    "<pr_diff_hunk>",
    "<pr_comment>",
    "<pr_event_id>",
    "<pr_review>",
    "<pr_review_state>",
    "<pr_review_comment>",
    "<pr_in_reply_to_review_id>",
    "<pr_in_reply_to_comment_id>",
    "<pr_diff_hunk_comment_line>",
    "<NAME>",
    "<EMAIL>",
    "<KEY>",
    "<PASSWORD>",
]
"""StarCoder2's special tokens, at StarCoder2's ids."""


def usable(text: str) -> bool:
    """Python that parses, of a sane size, not data in disguise."""
    if not 400 <= len(text) <= 120_000 or max(map(len, text.split("\n"))) > 400:
        return False
    if sum(map(str.isdigit, text)) > 0.12 * len(text) or sum(ord(c) > 127 for c in text) > 0.02 * len(text):
        return False
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def files(wheels: str) -> Iterator[tuple[str, str, bytes]]:
    """(package, path, bytes) of every Python file in the wheels and in the standard library."""
    for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
        archive = zipfile.ZipFile(wheel)
        for name in archive.namelist():
            if name.endswith(".py") and "vendor" not in name and "/locale/" not in name:
                yield wheel.name.split("-")[0].lower(), name, archive.read(name)
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    for path in library.rglob("*.py"):
        name = str(path.relative_to(library))
        if not any(part in name for part in ("site-packages", "lib2to3/tests/data", "idlelib/")):
            yield "cpython", name, path.read_bytes()


def pieces(text: str, rng: random.Random) -> list[str]:
    """A long file in pieces that end at blank lines where they can."""
    if len(text) <= 3200:
        return [text]
    out, current, limit = [], "", rng.randint(1500, 6000)
    for line in text.splitlines(True):
        current += line
        if len(current) >= limit and (line == "\n" or len(current) > 1.4 * limit):
            out.append(current)
            current, limit = "", rng.randint(1500, 6000)
    return [*out, current] if len(current) > 200 else out


def fim(text: str, head: str, rng: random.Random) -> str:
    """A third each: two random cuts; from inside a line to the end of it or of some lines below; whole lines."""
    n, kind = len(text), rng.random()
    if kind < 0.35:
        a, b = sorted(rng.sample(range(n + 1), 2))
    else:
        if kind < 0.7:
            a, more = rng.randrange(n), rng.choice([0, 0, 0, 1, 2, 3, 5, 8])
            b = text.find("\n", a)
            b = n if b < 0 else b
        else:
            a, more = rng.choice([i + 1 for i, c in enumerate(text) if c == "\n"] or [0]), rng.randint(1, 12)
            b = a
        for _ in range(more):
            end = text.find("\n", b + 1)
            if end < 0:
                b = n if kind >= 0.7 else b
                break
            b = end
    prefix, middle, suffix = text[:a], text[a:b], text[b:]
    if rng.random() < 0.5:
        return f"{head}<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>{middle}"
    return f"{head}<fim_prefix><fim_suffix>{suffix}<fim_middle>{prefix}{middle}"


def main() -> None:
    rng = random.Random(0)
    seen: set[str] = set()
    train: dict[str, list[tuple[str, str]]] = defaultdict(list)
    held: list[str] = []
    for package, name, raw in files(sys.argv[1]):
        try:
            text = raw.decode("utf8")
        except UnicodeDecodeError:
            continue
        digest = hashlib.md5(raw).hexdigest()
        if digest in seen or not usable(text):
            continue
        seen.add(digest)
        text = text.replace("\t", "    ")
        if package in HELD_OUT:
            held.append(text)
        else:
            train[package].append((name, text))
    chosen = []
    for package, entries in train.items():
        rng.shuffle(entries)
        size = 0
        for name, text in entries:
            if size > (20e6 if package == "cpython" else 4.5e6):
                break
            size += len(text)
            chosen.append((package, name, text))

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [text for _, _, text in rng.sample(chosen, min(3500, len(chosen)))],
        trainers.BpeTrainer(
            vocab_size=6144,
            special_tokens=SPECIAL,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer.save("tokenizer.json")

    documents = []
    for package, name, text in chosen:
        for i, piece in enumerate(pieces(text, rng)):
            head = ""
            if i == 0 and rng.random() < 0.3:
                head, piece = f"<repo_name>{package}<file_sep>", f"{name}\n{piece}"
            documents.append(fim(piece, head, rng) if len(piece) > 64 and rng.random() < 0.5 else head + piece)
    rng.shuffle(documents)
    stream = [
        np.array([*e.ids, 0], np.uint16)
        for i in range(0, len(documents), 512)
        for e in tokenizer.encode_batch(documents[i : i + 512])
    ]
    np.save("stream.npy", np.concatenate(stream))
    np.save("hold.npy", np.concatenate([np.array([*tokenizer.encode(t).ids, 0], np.uint16) for t in held]))
    pathlib.Path("hold.json").write_text(json.dumps({"held_out_bytes": sum(len(t.encode()) for t in held)}))


if __name__ == "__main__":
    main()
