"""Everything before the first tensor of a GGUF file, as bytes, so that sizes are known before a file is."""

from __future__ import annotations

import io

from gguf import GGUFWriter
from gguf.gguf_writer import WriterState


def header_bytes(writer: GGUFWriter) -> bytes:
    """Keys and tensor descriptions that were added to the writer, padded to where the first tensor begins."""
    buffer = io.BytesIO()
    # The writer opens paths only, so it is handed a buffer as its open file.
    writer.fout = [buffer]  # type: ignore[list-item]
    writer.state = WriterState.EMPTY
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    size = buffer.tell()
    return buffer.getvalue() + bytes(-size % writer.data_alignment)
