"""What tests share: the bundled model, an engine on it, and the material that lies beside a developer's checkout."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from localcoder import paths
from localcoder.engine.local import LocalEngine
from tests import own_directories

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_developer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings would change what is tested, and KV snapshots of earlier runs make cold prompts warm."""
    with pytest.MonkeyPatch.context() as patch:
        own_directories.use(tmp_path_factory.mktemp("home"), patch)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Golden files and checkpoints: `../shared`, or LOCALCODER_SHARED."""
    path = Path(os.environ.get("LOCALCODER_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip("needs ../shared (golden files and checkpoints), which is not here")
    return path


@pytest.fixture(scope="session")
def demo_model() -> Path:
    return paths.bundled_model()


@pytest_asyncio.fixture
async def engine(demo_model: Path) -> AsyncIterator[LocalEngine]:
    """llama.cpp in a child process, with the bundled model."""
    engine = LocalEngine(demo_model, n_threads=1)
    yield engine
    await engine.close()
