"""Which tensor gets which type: the mixtures of llama-quantize, for StarCoder2.

The rules are those of llama.cpp's src/llama-quant.cpp, restated as a table of recipes: a default type, and for some
roles a rule that may give another. `first eighth`, `more bits` and the like are llama.cpp's own fractions of the
layers, with its integer divisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gguf import LlamaFileType

from converters import ggml


@dataclass(frozen=True)
class Layer:
    """Where a tensor stands, and what about the model decides its type."""

    index: int
    layers: int
    gqa: int
    """Query heads that share one key-value head."""
    imatrix: bool
    """Whether an importance matrix is used."""

    def first(self, fraction: int) -> bool:
        return self.index < self.layers // fraction

    @property
    def last_eighth(self) -> bool:
        return self.index >= 7 * self.layers // 8

    @property
    def more_bits(self) -> bool:
        """First eighth, last eighth, and every third between."""
        return self.first(8) or self.last_eighth or (self.index - self.layers // 8) % 3 == 2


Rule = Callable[[Layer], "str | None"]


@dataclass(frozen=True)
class Recipe:
    """A mixture: `rules` by role (attn_v, ffn_down, …) give a type, or None for the default."""

    name: str
    default: str
    file_type: int
    output: str = "Q6_K"
    """Of output.weight, and of a tied token_embd.weight."""
    embedding: str | None = None
    """Of an untied token_embd.weight, where it is not the default."""
    rules: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def quantized(self) -> bool:
        return self.default not in ("F32", "F16", "BF16")


def _recipes() -> dict[str, Recipe]:
    table: dict[str, Recipe] = {}

    def add(name: str, default: str = "", *, output: str = "Q6_K", embedding: str | None = None, **rules: Rule) -> None:
        file_type = LlamaFileType["ALL_F32" if name == "F32" else f"MOSTLY_{name}"]
        table[name] = Recipe(name, default or name, int(file_type), output, embedding, rules)

    def always(type_name: str) -> Rule:
        return lambda at: type_name

    def grouped(type_name: str, otherwise: str | None = None) -> Rule:
        return lambda at: type_name if at.gqa >= 4 else otherwise

    def early(type_name: str) -> Rule:
        return lambda at: type_name if at.first(8) else None

    def more(type_name: str) -> Rule:
        return lambda at: type_name if at.more_bits else None

    for name in ("F32", "F16", "BF16"):
        add(name, output=name)
    add("Q8_0", output="Q8_0")
    add("Q4_0", ffn_down=lambda at: "Q4_1" if at.imatrix and at.first(8) else None)
    add("Q4_1")
    add("Q5_0", ffn_down=lambda at: "Q5_1" if at.imatrix and at.first(8) else None)
    add("Q5_1")
    add("Q2_K", attn_v=grouped("Q4_K", "Q3_K"), attn_output=always("Q3_K"), ffn_down=always("Q3_K"))
    add("Q2_K_S", "Q2_K", attn_v=grouped("Q4_K"), ffn_down=early("Q4_K"))
    add("Q3_K_S", "Q3_K")
    add("Q3_K_M", "Q3_K", attn_v=lambda at: "Q5_K" if at.index < 2 else "Q4_K", attn_output=always("Q4_K"),
        ffn_down=lambda at: "Q5_K" if at.first(16) else "Q4_K")  # fmt: skip
    add("Q3_K_L", "Q3_K", attn_v=always("Q5_K"), attn_output=always("Q5_K"), ffn_down=always("Q5_K"))
    add("Q4_K_S", "Q4_K", attn_v=lambda at: "Q5_K" if at.index < 4 else None, ffn_down=early("Q5_K"))
    add("Q4_K_M", "Q4_K", attn_v=more("Q6_K"), ffn_down=more("Q6_K"))
    add("Q5_K_S", "Q5_K")
    add("Q5_K_M", "Q5_K", attn_v=more("Q6_K"), ffn_down=more("Q6_K"))
    add("Q6_K")
    for name in ("IQ1_S", "IQ1_M"):
        add(name, output="Q5_K", embedding="Q2_K", attn_v=grouped("Q4_K", "Q2_K"), attn_output=always("IQ2_XXS"),
            ffn_down=early("Q2_K"))  # fmt: skip
    for name in ("IQ2_XXS", "IQ2_XS"):
        add(name, output="Q5_K", embedding="Q2_K", attn_v=grouped("Q4_K", "Q2_K"), ffn_down=early("Q2_K"))
    for name, default in (("IQ2_S", "IQ2_XS"), ("IQ2_M", "IQ2_S")):
        add(name, default, output="Q5_K", embedding="IQ3_S", attn_v=grouped("Q4_K", "IQ3_S"),
            attn_output=always("IQ3_S"), ffn_down=early("IQ3_S"))  # fmt: skip
    add("IQ3_XXS", output="Q5_K", embedding="IQ3_S",
        attn_v=lambda at: "Q4_K" if at.gqa >= 4 else None if at.imatrix else "IQ3_S",
        attn_k=always("IQ2_S"), attn_q=always("IQ2_S"), attn_output=always("IQ3_S"),
        ffn_down=lambda at: None if at.imatrix else "Q4_K" if at.first(8) else "Q3_K")  # fmt: skip
    add("IQ3_XS", "IQ3_S", attn_v=grouped("Q4_K"), attn_k=always("IQ3_XXS"), attn_q=always("IQ3_XXS"),
        ffn_up=lambda at: None if at.first(8) or at.last_eighth else "IQ3_XXS")  # fmt: skip
    add("IQ3_S", attn_v=grouped("Q4_K"))
    add("IQ3_M", "IQ3_S", attn_v=always("Q4_K"), attn_output=always("Q4_K"), ffn_down=early("Q4_K"))
    for name in ("IQ4_NL", "IQ4_XS"):
        add(name, attn_v=grouped("Q5_K"), ffn_down=lambda at: "Q5_K" if at.first(8) and not at.imatrix else None)
    return table


RECIPES = _recipes()
"""By the name that llama-quantize gives it."""

_FALLBACK = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}


def is_quantizable(name: str, shape: tuple[int, ...]) -> bool:
    """Matrices are stored in the chosen type; norms and biases always in F32."""
    return len(shape) == 2 and name.endswith("weight") and "_norm.weight" not in name


def type_for_columns(type_name: str, columns: int) -> str:
    """The type itself, or the nearest one whose blocks divide a row of `columns` values."""
    if columns % ggml.block_values(type_name) == 0:
        return type_name
    type_name = _FALLBACK.get(type_name, type_name)
    return type_name if columns % ggml.block_values(type_name) == 0 else "F16"


def tensor_type(
    recipe: Recipe, name: str, shape: tuple[int, ...], *, layers: int, gqa: int, tied: bool, imatrix: bool
) -> str:
    """The type of one GGUF tensor.

    `name` is GGUF's (blk.3.attn_v.weight), `shape` PyTorch's (rows, columns); `tied` says that the model has no output
    matrix of its own, `gqa` how many query heads share a key-value head, `imatrix` that one is used.
    """
    if not is_quantizable(name, shape):
        return "F32"
    columns, chosen = shape[1], recipe.default
    if not recipe.quantized:
        return chosen
    if name == "output.weight" or (name == "token_embd.weight" and tied):
        chosen = "Q8_0" if columns % ggml.block_values(chosen) else recipe.output
    elif name == "token_embd.weight":
        chosen = recipe.embedding or chosen
    else:
        _, index, role, _ = name.split(".")
        if rule := recipe.rules.get(role):
            chosen = rule(Layer(int(index), layers, gqa, imatrix)) or chosen
    return type_for_columns(chosen, columns)


def needs_imatrix(recipe_name: str, name: str, type_name: str) -> bool:
    """Whether llama-quantize refuses to make this tensor without an importance matrix."""
    if name in ("token_embd.weight", "output.weight"):
        return False
    return type_name in ggml.NEEDS_IMATRIX or (recipe_name == "Q2_K_S" and type_name == "Q2_K")
