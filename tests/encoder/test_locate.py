"""A name that no encoder is known by is refused at once: the Hub is asked once, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from huggingface_hub import constants

from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.kind import find_kind
from hexapla.encoder.locate import describe, hub_answers, locate
from hexapla.errors import InputError


class _NoNetwork:
    """A session of the Hub's client that reaches nothing."""

    n_requests = 0

    def head(self, url: str, timeout: float) -> None:
        self.n_requests += 1
        raise ConnectionError("Name or service not known")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[_NoNetwork]:
    session = _NoNetwork()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: session)
    # What would try again and again.
    monkeypatch.setattr("huggingface_hub.file_download.get_hf_file_metadata", None)
    hub_answers.cache_clear()
    yield session
    hub_answers.cache_clear()


def test_without_a_network_the_hub_is_asked_once(session: _NoNetwork) -> None:
    name = "intfloat/multilingual-e5-small"
    check_encoder(name)
    find_kind(name)
    with pytest.raises(InputError, match=r"cannot be reached; check .*fetch-encoder small"):
        describe(name)
    with pytest.raises(
        InputError, match=r"xlm-roberta-base: .* take intfloat/multilingual-e5-small"
    ):
        describe("xlm-roberta-base")
    assert session.n_requests == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smal", '"small"\\? .*hexapla fetch-encoder small'),
        ("tinny", '"tiny"\\?$'),
        ("multilingual-e5-small", '"intfloat/multilingual-e5-small"\\? .*fetch-encoder small'),
        ("Multilingual-e5-larg", '"intfloat/multilingual-e5-large"\\?$'),
    ],
)
def test_a_name_that_resembles_one_we_know_is_not_sought(
    session: _NoNetwork, name: str, hint: str
) -> None:
    with pytest.raises(InputError, match=f"{name}: no such encoder folder; did you mean {hint}"):
        locate(name)
    assert session.n_requests == 0


@pytest.mark.parametrize(
    "name", ["bert-base-multilingual-cased", "xlm-roberta-base", "t5-small", "LaBSE", "org/smal"]
)
def test_old_names_without_an_organisation_are_sought(name: str) -> None:
    assert locate(name) is None
