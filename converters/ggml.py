"""libggml through ctypes: the code that llama-quantize runs, on rows, from any thread (ctypes drops the GIL).

Functions are those of ggml.h. Names of types are ggml's, in capitals ("Q4_K"). libggml-base is found in the installed
llama_cpp package, which is not imported: that would load the whole runtime.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from converters.errors import ConvertError

NEEDS_IMATRIX = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"})
"""Types that llama-quantize makes only with an importance matrix."""

_FloatArray = npt.NDArray[np.float32]
_ByteArray = npt.NDArray[np.uint8]


class _TypeTraits(ctypes.Structure):
    """`struct ggml_type_traits` of ggml.h."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("blck_size", ctypes.c_int64),
        ("blck_size_interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
        ("from_float_ref", ctypes.c_void_p),
    )


def block_values(type_name: str) -> int:
    """How many values of a row are stored together: 1, 32 or 256."""
    return int(GGML_QUANT_SIZES[GGMLQuantizationType[type_name]][0])


def row_bytes(type_name: str, columns: int) -> int:
    """Bytes of one row; `columns` must be a multiple of the block."""
    values, size = GGML_QUANT_SIZES[GGMLQuantizationType[type_name]]
    if columns % values:
        raise ValueError(f"{columns} columns are not a multiple of {values} ({type_name})")
    return int(columns // values * size)


def prepare(type_name: str) -> None:
    """Build a type's tables. Call it once, before the threads start."""
    _library().ggml_quantize_init(GGMLQuantizationType[type_name])


def quantize(type_name: str, rows: _FloatArray, out: _ByteArray, importance: _FloatArray | None = None) -> int:
    """Quantize `rows` [n × columns, contiguous] into `out`; returns the bytes written.

    `importance` [columns] weighs the columns, as an importance matrix does. Values must be finite: ggml aborts the
    process on some that are not. Thread-safe.
    """
    count, columns = rows.shape
    if out.nbytes < count * row_bytes(type_name, columns):
        raise ValueError("out is too small")
    if importance is not None and importance.shape != (columns,):
        raise ValueError("importance must have one value a column")
    if (
        importance is None
        and type_name in NEEDS_IMATRIX
        and _library().ggml_quantize_requires_imatrix(GGMLQuantizationType[type_name])
    ):
        raise ValueError(f"{type_name} needs an importance matrix")
    return int(
        _library().ggml_quantize_chunk(
            GGMLQuantizationType[type_name],
            rows.ctypes.data,
            out.ctypes.data,
            0,
            count,
            columns,
            None if importance is None else importance.ctypes.data,
        )
    )


def is_valid(type_name: str, data: _ByteArray) -> bool:
    """Whether rows hold only finite values and scales (`ggml_validate_row_data`, which says more on stderr if not)."""
    return bool(_library().ggml_validate_row_data(GGMLQuantizationType[type_name], data.ctypes.data, data.nbytes))


def to_float(type_name: str, data: _ByteArray, out: _FloatArray) -> None:
    """Dequantize whole blocks into `out` (flat); the number of values is `out`'s."""
    size, library = out.size, _library()
    if data.nbytes < row_bytes(type_name, size):
        raise ValueError("data is too short")
    if type_name == "F32":
        out[:] = data[: size * 4].view(np.float32)
    elif type_name == "BF16":
        library.ggml_bf16_to_fp32_row(data.ctypes.data, out.ctypes.data, size)
    elif type_name == "F16":
        library.ggml_fp16_to_fp32_row(data.ctypes.data, out.ctypes.data, size)
    else:
        traits = library.ggml_get_type_traits(GGMLQuantizationType[type_name]).contents
        traits.to_float(data.ctypes.data, out.ctypes.data, size)


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(library_path()))
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        for name, result, arguments in (
            ("ggml_quantize_init", None, (ctypes.c_int,)),
            ("ggml_quantize_requires_imatrix", ctypes.c_bool, (ctypes.c_int,)),
            ("ggml_quantize_chunk", ctypes.c_size_t,
             (ctypes.c_int, pointer, pointer, integer, integer, integer, pointer)),
            ("ggml_validate_row_data", ctypes.c_bool, (ctypes.c_int, pointer, ctypes.c_size_t)),
            ("ggml_bf16_to_fp32_row", None, (pointer, pointer, integer)),
            ("ggml_fp16_to_fp32_row", None, (pointer, pointer, integer)),
            ("ggml_get_type_traits", ctypes.POINTER(_TypeTraits), (ctypes.c_int,)),
        ):  # fmt: skip
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ConvertError(f"libggml does not load: {error}.", "Reinstall llama-cpp-python.") from None
    return library


def library_path() -> Path:
    """libggml-base as llama-cpp-python installs it, under the name that this system gives to libraries."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        raise ConvertError("llama-cpp-python is not installed.", "Install it: pip install llama-cpp-python")
    folder = Path(spec.origin).parent / "lib"
    name = {"win32": "ggml-base.dll", "darwin": "libggml-base.dylib"}.get(sys.platform, "libggml-base.so")
    if not (folder / name).is_file():
        raise ConvertError(f"{folder}: no {name}.", "Reinstall llama-cpp-python.")
    return folder / name
