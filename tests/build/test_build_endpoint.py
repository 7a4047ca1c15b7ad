"""A build by an endpoint that fails for good keeps what was answered, and no secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hexapla.build import build
from hexapla.build.config import BuildConfig
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from hexapla.translate.config import TranslatorConfig
from tests.fixtures.bad_endpoint import (
    BadEndpoint,
    bad_endpoint,
    quick_and_keyless,
    refuses,
    translated,
)
from tests.fixtures.nmt import ENGLISH, LANGUAGES


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadEndpoint]:
    quick_and_keyless(monkeypatch)
    with bad_endpoint() as running:
        yield running


@pytest.mark.parametrize("status", [401, 503])
def test_an_endpoint_that_fails_for_good_is_not_asked_again_for_what_it_answered(
    status: int, tmp_path: Path, server: BadEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-that-nobody-may-see"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    translator = TranslatorConfig(
        translator="toy",
        backend="openai",
        base_url=server.url,
        cache=tmp_path / "cache",
        sentences_per_request=4,
        concurrency=2,
        give_up_after_s=0.1,
    )
    text = tmp_path / "text.txt"
    text.write_text("\n".join(ENGLISH), encoding="utf-8")
    settings = {"source": SourceConfig(texts=(str(text),)), "translator": translator}
    settings |= {"to": LANGUAGES[:2], "out": tmp_path / "corpus", "filters": "none"}
    settings["rows_per_shard"] = 8
    good = server.always
    server.script, server.always = [good] * 5, refuses(status)
    with pytest.raises(InputError, match=f"{status}.*answers of this part are safe.*--resume"):
        build(BuildConfig(**settings), quiet=True)
    assert not (tmp_path / "corpus").exists()
    answered = Counter(
        (text, request.target)
        for request in server.requests[:5]
        for text in request.sentences.values()
    )
    n_requests = len(server.requests)

    server.always = good
    build(BuildConfig(**settings, resume=True), quiet=True)
    asked = Counter(
        (text, request.target)
        for request in server.requests[n_requests:]
        for text in request.sentences.values()
    )
    assert asked + answered == Counter(
        (text, language) for text in ENGLISH for language in LANGUAGES[:2]
    )
    assert (
        len(server.requests) - n_requests == 5
    )  # 20 sentences in two languages, 4 at a time, were 10
    corpus = open_corpus(tmp_path / "corpus")
    assert corpus.cells("fra_Latn") == [translated(text, "fra_Latn") for text in ENGLISH]
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {key}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if key.encode() in path.read_bytes()]
