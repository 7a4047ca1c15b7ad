"""Every test runs without a network and without a GPU, and writes only to folders that go away."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.fixtures.bad_endpoint import BadEndpoint

_HOME = tempfile.mkdtemp(prefix="hexapla-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["HF_HOME"] = _HOME  # the cache of `datasets` lies under it
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # the other cores have tests of their own


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ray-kills", type=int, default=2, help="how often to kill a build on a Ray cluster"
    )


@pytest.fixture(autouse=True)
def _own_log_level() -> Iterator[None]:
    """What the command line sets for its process does not reach the next test."""
    log = logging.getLogger("hexapla")
    before = log.level
    yield
    log.setLevel(before)


@pytest.fixture
def quick_and_keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints are asked without long waits, and without the key of whoever runs the tests."""
    from tests.fixtures import (
        bad_endpoint,
    )  # here, since it imports the package, which reads what is set above

    bad_endpoint.quick_and_keyless(monkeypatch)


@pytest.fixture
def server(quick_and_keyless: None) -> Iterator[BadEndpoint]:
    """An endpoint to be misled by."""
    from tests.fixtures import bad_endpoint

    with bad_endpoint.bad_endpoint() as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless and with no network, driven by Playwright."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()
