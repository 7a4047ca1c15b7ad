"""An encoder that knows its languages, for all tests of mining."""

from __future__ import annotations

import pytest

from tests.fixtures.toy import knowing_encoder


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of an encoder in which translations of number words have a cosine of 1."""
    return str(knowing_encoder(tmp_path_factory.mktemp("known") / "encoder"))
