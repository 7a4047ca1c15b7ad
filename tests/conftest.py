"""Every test runs without a network and without a GPU, and writes only to folders that go away."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

import tests.fixtures.templates
import tests.fixtures.unflushed  # noqa: F401

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.fixtures.bad_endpoint import BadEndpoint


def _user_assets() -> str:
    """Return where the user's own cache has fetched encoders, as huggingface_hub finds it."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", os.path.join(cache, "huggingface"))
    assets = os.environ.get("HF_ASSETS_CACHE", os.path.join(home, "assets"))
    return os.path.expandvars(os.path.expanduser(assets))


# Kept in the environment for the processes of xdist, which inherit the HF_HOME that follows.
_ASSETS = os.environ.setdefault("HEXAPLA_TESTS_ASSETS", _user_assets())
_HOME = tempfile.mkdtemp(prefix="hexapla-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["HF_HOME"] = _HOME  # the cache of `datasets` lies under it
os.environ.pop("HF_ASSETS_CACHE", None)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # the other cores have tests of their own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the most slow tests first, so that no process ends with a long file."""
    n_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -n_slow[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Keep the libraries and tests out of garbage collections, which a training asks for often.

    Those that happen while they are imported and rewritten take a third of that time.
    """
    gc.disable()
    collected = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    if "tests.fixtures.forks" in sys.modules:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        capture.resume_global_capture()  # for what the forks print
        sys.modules["tests.fixtures.forks"].start_server()
        capture.suspend_global_capture()
    return collected


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


@pytest.fixture
def small_4(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a real encoder, in the user's cache; it is not to be written to."""
    from hexapla.encoder.fetched import cache_of

    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", _ASSETS)
    if not (cache_of(4) / "modules.json").is_file():
        pytest.skip("small@4 is not in the cache: hexapla fetch-encoder small@4")
    return "small@4"


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
