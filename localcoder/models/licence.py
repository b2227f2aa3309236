"""The licence of StarCoder2's weights: shown once, and the answer remembered."""

from __future__ import annotations

import json
import time

from localcoder import paths
from localcoder.errors import LocalcoderError
from localcoder.files import reason, write_file

OPENRAIL = "bigcode-openrail-m"
ADDRESS = "https://huggingface.co/spaces/bigcode/bigcode-model-license-agreement"
TERMS = f"""\
StarCoder2's weights, and everything made from them, are under the BigCode OpenRAIL-M licence. Its full text counts:
  {ADDRESS}
In short, and not instead of it:
- You may use, change and share the model, commercially too, and what it writes is yours to answer for.
- Its Attachment A forbids some uses: among them breaking the law, harming minors, writing malware, spreading falsehoods
  meant to harm, harassing or impersonating people, using personal data against them, discriminating, exploiting the
  vulnerable, deciding automatically on people's rights, giving medical advice, predicting crimes, and passing off
  text as not made by a machine.
- Whoever passes the model on, converted or changed too, passes these restrictions and the licence on with it, says what
  was changed, and keeps the notices.
"""
_FILE = "licences.json"


def licence_of(*names: str) -> str:
    """The licence that a repository's or a file's name tells of, as it goes with every copy; empty when none does."""
    lowered = [name.lower() for name in names]
    return OPENRAIL if any("starcoder" in name or name.startswith("bigcode/") for name in lowered) else ""


def is_accepted(licence: str = OPENRAIL) -> bool:
    """Whether the user agreed to it here before."""
    try:
        return licence in json.loads((paths.state_dir() / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def accept(licence: str = OPENRAIL) -> None:
    """Remember that the user agreed. Raises LocalcoderError."""
    file = paths.state_dir() / _FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            agreed = dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            agreed = {}
        agreed[licence] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_file(file, json.dumps(agreed, indent=1))
    except OSError as error:
        raise LocalcoderError(
            f"{file} cannot be written: {reason(error)}.", "Your answer cannot be remembered."
        ) from None
