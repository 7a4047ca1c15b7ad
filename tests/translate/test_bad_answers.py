"""Whatever a server answers, a run ends in time, in bounded memory, and with one plain line.

The answers are those of `tests/fixtures/bad_answers.py`. None of them is a translation.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hexapla.errors import InputError
from tests.fixtures.bad_answers import LONG, RIGHT, SLOW, UNREADABLE, WRONG
from tests.fixtures.bad_endpoint import BadEndpoint, german, texts_of, translator

KEY = "sk-secret-4711"

pytestmark = [pytest.mark.usefixtures("quick_and_keyless"), pytest.mark.timeout(20)]


def _ask(server: BadEndpoint, folder: Path, name: str) -> list[str | None]:
    server.always = (LONG | WRONG | UNREADABLE | RIGHT)[name]
    ours = translator(server, folder, timeout_s=0.3 if name in SLOW else 5, give_up_after_s=0.25)
    try:
        return texts_of(ours.translate(["one"], ["deu_Latn"]))
    finally:
        ours.close()


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_is_no_completion_ends_in_one_line(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    start = time.monotonic()
    with pytest.raises(InputError, match=f"{server.url}/chat/completions: ") as caught:
        _ask(server, tmp_path, name)
    message = str(caught.value)
    assert message.isprintable()
    assert KEY not in message
    assert len(message) < 1000
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("name", LONG)
def test_a_long_answer_is_read_to_the_limit_alone(
    server: BadEndpoint, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="its answer has more than 8 MiB"):
        _ask(server, tmp_path, name)
    assert len(server.requests) == 1
    assert server.n_sent < 32 * 2**20


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_completion_without_a_translation_leaves_the_cell_empty(
    server: BadEndpoint, tmp_path: Path, name: str
) -> None:
    assert _ask(server, tmp_path, name) == [None]


@pytest.mark.parametrize("name", RIGHT)
def test_an_odd_but_right_answer_is_taken(server: BadEndpoint, tmp_path: Path, name: str) -> None:
    assert _ask(server, tmp_path, name) == german(["one"])
