from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.editors.recording_proxy import RecordingProxy, recording_proxy
from tests.serve.test_http import start, stop


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The address of `localcoder serve` with the bundled model. It reads whole prompts, however slow the machine is."""
    process, url = start("--threads", "1", env={**os.environ, "LOCALCODER_FIRST_TOKEN_S": "600"})
    yield url
    assert "Traceback" not in stop(process)


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Iterator[RecordingProxy]:
    """A proxy of one test before the server, which is started when the first test has all that it needs."""
    with recording_proxy(request.getfixturevalue("served")) as proxy:
        yield proxy
