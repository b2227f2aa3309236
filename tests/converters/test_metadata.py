"""Name, licence, source and chat template, where the checkpoint says them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.errors import ConvertError
from converters.gguf_file import read_gguf
from tests.converters.checkpoints import write_checkpoint
from tests.converters.driving import convert

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def keys(checkpoint: Path, out: Path) -> dict[str, Any]:
    (file,) = convert(checkpoint, out, "Q8_0").files
    return {name: key.value for name, key in read_gguf(file.path).keys.items()}


def test_the_instruct_models_card_and_template(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "starcoder2-15b-instruct-v0.1")
    (path / "README.md").write_text(
        "---\nlicense: bigcode-openrail-m\nbase_model: bigcode/starcoder2-15b\ntags: [code]\n---\n# Card\n"
    )
    config = json.loads((path / "tokenizer_config.json").read_text())
    template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    (path / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    found = keys(path, tmp_path)
    assert found["general.name"] == "Starcoder2 15b Instruct v0.1"
    assert found["general.license"] == "bigcode-openrail-m"
    assert found["general.base_model.0.repo_url"] == "https://huggingface.co/bigcode/starcoder2-15b"
    assert found["tokenizer.chat_template"] == template
    assert (tmp_path / "starcoder2-15b-instruct-v0.1-Q8_0.gguf").is_file()


def test_the_revision_of_a_download(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "star")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "_name_or_path": "someone/star"}))
    assert "general.source.url" not in keys(path, tmp_path / "a")
    note = path / ".cache" / "huggingface" / "download"
    note.mkdir(parents=True)
    (note / "config.json.metadata").write_text(f"{COMMIT}\nabc\n1.0\n")
    found = keys(path, tmp_path / "b")
    assert found["general.source.url"] == f"https://huggingface.co/someone/star/tree/{COMMIT}"


def test_a_folder_of_the_hubs_cache_is_called_like_its_repository(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "models--bigcode--starcoder2-3b" / "snapshots" / COMMIT)
    found = keys(path, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").glob("*.gguf")] == ["starcoder2-3b-Q8_0.gguf"]
    assert found["general.source.url"] == f"https://huggingface.co/bigcode/starcoder2-3b/tree/{COMMIT}"
    assert found["general.basename"] == "starcoder2"


@pytest.mark.parametrize("card", ["---\n: [\n---\n", "---\nlicense: {a: [1}\n---\n", "---\nname: [1, {x: 2}]\n---\n"])
def test_a_malformed_card_is_an_error_of_one_line(card: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "star")
    (path / "README.md").write_text(card)
    with pytest.raises(ConvertError, match="malformed") as caught:
        keys(path, tmp_path)
    assert caught.value.exit_code == 2
