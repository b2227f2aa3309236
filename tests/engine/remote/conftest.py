from pathlib import Path

import pytest

from localcoder.models.conversion import Conversion, convert_checkpoint


@pytest.fixture(scope="session")
def f32_model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model without quantization, made from its checkpoint."""
    folder = tmp_path_factory.mktemp("f32")
    for _ in convert_checkpoint(Conversion(shared / "nano", folder, ("F32",))):
        pass
    (model,) = folder.glob("*.gguf")
    return model
