"""From a checkpoint and the types asked for to the plan of a conversion."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gguf
from gguf import GGUFWriter, Metadata

from converters import metadata as general
from converters import starcoder2, tokenizer
from converters.checkpoint import Checkpoint, SourceTensor
from converters.errors import ConvertError
from converters.imatrix import ImportanceMatrix, require_same_model
from converters.plan import ConversionPlan, PlannedOutput, plan_files
from converters.recipes import RECIPES, Recipe, needs_imatrix, tensor_type
from converters.starcoder2 import Hyperparameters
from converters.tokenizer import Vocabulary


@dataclass(frozen=True)
class Model:
    """A checkpoint understood: `sources` by GGUF name, in file order."""

    checkpoint: Checkpoint
    hyperparameters: Hyperparameters
    sources: Mapping[str, SourceTensor] = field(repr=False)
    vocabulary: Vocabulary = field(repr=False)
    metadata: Metadata = field(repr=False)

    @property
    def tied(self) -> bool:
        return "output.weight" not in self.sources


def read_model(checkpoint: Checkpoint) -> Model:
    """Check that a checkpoint is a complete StarCoder2. Raises ConvertError (exit code 2)."""
    hyperparameters = starcoder2.read_hyperparameters(checkpoint.config)
    sources = starcoder2.map_tensors(checkpoint, hyperparameters)
    vocabulary = tokenizer.read_vocabulary(checkpoint.directory, hyperparameters.vocab)
    metadata = general.read_metadata(checkpoint, [source.shape for source in sources.values()])
    return Model(checkpoint, hyperparameters, sources, vocabulary, metadata)


def find_recipe(name: str) -> Recipe:
    """A recipe by llama-quantize's name for it, in any case."""
    recipe = RECIPES.get(name.upper())
    if recipe is None:
        raise ConvertError(f"There is no type {name[:40]!r}.", f"Types: {', '.join(RECIPES)}.", exit_code=2)
    return recipe


@dataclass(frozen=True)
class Mixture:
    """What one output is made of: `label` names it in the file's name, `types` is by GGUF name."""

    label: str
    file_type: int
    types: Mapping[str, str] = field(repr=False)


def recipe_mixture(model: Model, recipe: Recipe, imatrix: ImportanceMatrix | None = None) -> Mixture:
    """A recipe on this model. ConvertError (exit code 2) if llama-quantize would refuse it without a matrix."""
    types = {}
    for name, source in model.sources.items():
        types[name] = tensor_type(
            recipe,
            name,
            source.shape,
            layers=model.hyperparameters.layers,
            gqa=model.hyperparameters.gqa,
            tied=model.tied,
            imatrix=imatrix is not None,
        )
        if needs_imatrix(recipe.name, name, types[name]) and (imatrix is None or name not in imatrix.weights):
            without = f"and {imatrix.name} says nothing of {name}" if imatrix else ""
            raise ConvertError(
                f"{recipe.name} needs an importance matrix {without}".rstrip() + ".",
                "Make one with `localcoder calibrate` and give it with --imatrix.",
                exit_code=2,
            )
    return Mixture(recipe.name, recipe.file_type, types)


def plan_model(
    model: Model,
    mixtures: Sequence[Mixture],
    out: Path,
    *,
    imatrix: ImportanceMatrix | None = None,
    split_max_bytes: int = 0,
) -> ConversionPlan:
    """Plan one output for each mixture.

    `out` is a directory, for `DIR/NAME-LABEL.gguf`, or a path that ends in .gguf, for a single output.
    """
    if imatrix:
        require_same_model(imatrix, {name: source.shape for name, source in model.sources.items()})
    outputs = []
    for mixture in mixtures:
        path = output_path(out, model.checkpoint.name, mixture.label, alone=len(mixtures) == 1)
        keys = _KeyWriter(model, mixture.file_type, imatrix)
        try:
            files = plan_files(path, model.sources, mixture.types, keys, split_max_bytes)
        except (TypeError, ValueError, AttributeError, KeyError, struct.error):
            # Keys that decide nothing here are passed on unchecked, and may be of a type that GGUF does not have.
            raise ConvertError(
                "The model card or the tokenizer's configuration is malformed.",
                "Get README.md and tokenizer_config.json of the checkpoint again.",
                exit_code=2,
            ) from None
        outputs.append(PlannedOutput(mixture.label, files))
    return ConversionPlan(tuple(outputs), imatrix.weights if imatrix else {})


def output_path(out: Path, name: str, label: str, *, alone: bool) -> Path:
    """`out` itself if it names a .gguf file, otherwise `out/NAME-LABEL.gguf`."""
    if out.suffix.lower() != ".gguf" or out.is_dir():
        if out.exists() and not out.is_dir():
            raise ConvertError(
                f"{out} is neither a directory nor a .gguf file.", "Give one of them with -o.", exit_code=2
            )
        return out / f"{name}-{label}.gguf"
    if not alone:
        raise ConvertError(
            f"{out} is one file, and several types were asked for.", "Give a directory with -o.", exit_code=2
        )
    return out


@dataclass(frozen=True)
class _KeyWriter:
    model: Model
    file_type: int
    imatrix: ImportanceMatrix | None

    def __call__(self, writer: GGUFWriter) -> None:
        general.add_keys(writer, self.model.metadata)
        starcoder2.add_keys(writer, self.model.hyperparameters)
        writer.add_file_type(self.file_type)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        tokenizer.add_keys(writer, self.model.vocabulary)
        if self.imatrix:
            writer.add_string("quantize.imatrix.file", self.imatrix.name)
            if self.imatrix.datasets:
                writer.add_string("quantize.imatrix.dataset", self.imatrix.datasets[0])
            writer.add_uint32("quantize.imatrix.entries_count", len(self.imatrix.weights))
            writer.add_uint32("quantize.imatrix.chunks_count", self.imatrix.chunks)
