"""The `general.*` keys: what a model is called, whose it is, under which licence, and where it came from.

The names, the licence and so on are taken from the checkpoint's model card, config and folder by gguf's own heuristics,
which are those of llama.cpp's converter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import gguf
import yaml
from gguf import GGUFWriter, Metadata

from converters.checkpoint import Checkpoint
from converters.errors import ConvertError

_SAMPLING = {
    "sequence": "sampling_sequence",
    "top_k": "sampling_top_k",
    "top_p": "sampling_top_p",
    "min_p": "sampling_min_p",
    "temperature": "sampling_temp",
    "repetition_penalty": "sampling_penalty_repeat",
}
"""Of generation_config.json → of Metadata."""


def read_metadata(checkpoint: Checkpoint, shapes: Iterable[tuple[int, ...]]) -> Metadata:
    """The metadata of a checkpoint; `shapes` are those of all its tensors, which the size label is made from."""
    parameters = sum(math.prod(shape) for shape in shapes)
    try:
        card = Metadata.load_model_card(checkpoint.directory)
        metadata = Metadata.apply_metadata_heuristic(
            Metadata(), card, dict(checkpoint.config), Path(checkpoint.name), parameters
        )
        generation = Metadata.load_generation_config(checkpoint.directory)
    except (ValueError, TypeError, AttributeError, OSError, RecursionError, yaml.YAMLError):
        raise ConvertError(
            "README.md or generation_config.json is malformed.",
            "Get these files of the checkpoint again, or remove them.",
            exit_code=2,
        ) from None
    for key, field in _SAMPLING.items():
        value = generation.get(key) if isinstance(generation, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            setattr(metadata, field, value)
    if metadata.name is None:
        metadata.name = checkpoint.name
    if metadata.size_label is None:
        metadata.size_label = gguf.size_label(parameters, parameters, 0, 0)
    if checkpoint.source_url and metadata.source_url is None:
        metadata.source_url = checkpoint.source_url
    return metadata


def add_keys(writer: GGUFWriter, metadata: Metadata) -> None:
    """Write the keys."""
    writer.add_type(gguf.GGUFType.MODEL)
    metadata.set_gguf_meta_model(writer)
