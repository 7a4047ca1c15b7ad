"""Checkpoints by their names on the Hub, found in its cache: revisions, and what the cache lacks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.constants import HF_HUB_CACHE

from hexapla.errors import InputError
from hexapla.translate.backends import check_translator, open_translator
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.hub_checkpoint import HubCheckpoint
from tests.fixtures.nmt import ENGLISH, TRANSLATIONS, shared_toy
from tests.fixtures.text_files import edit_json

OLD, NEW = "1" * 40, "2" * 40
NAME = "org/opus-mt-en-de"

Fill = Callable[..., Path]


@pytest.fixture
def fill() -> Iterator[Fill]:
    """Return a function that puts a toy into the Hub's cache, in two revisions; `v1` is the old."""
    cache = Path(HF_HUB_CACHE)
    assert cache.is_relative_to(os.environ["HF_HOME"])

    def put(name: str = NAME, without: str = "") -> Path:
        folder = cache / f"models--{name.replace('/', '--')}"
        for commit in (OLD, NEW):
            snapshot = folder / "snapshots" / commit
            shutil.copytree(shared_toy("marian-de"), snapshot)
            edit_json(snapshot / "tokenizer_config.json", source_lang=None, target_lang=None)
            if without:
                (snapshot / without).unlink()
        edit_json(folder / "snapshots" / OLD / "config.json", note="old")
        for ref, commit in (("main", NEW), ("v1", OLD), ("refs/pr/2", OLD)):
            path = folder / "refs" / ref
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(commit)
        return folder

    yield put
    shutil.rmtree(cache)


def files(name: str, **settings: Any) -> CheckpointFiles:
    return CheckpointFiles(TranslatorConfig(translator=name, **settings))


def test_a_revision_is_named_with_the_checkpoint_or_beside_it(fill: Fill) -> None:
    fill()
    newest = files(NAME)
    assert (newest.name, newest.revision, newest.config.get("note")) == (NAME, NEW, None)
    old = [files(f"{NAME}@{revision}") for revision in ("v1", OLD, "refs/pr/2")]
    old += [files(NAME, revision="v1"), files(f"{NAME}@v1", revision="v1")]
    for found in old:
        assert (found.name, found.revision, found.config["note"]) == (NAME, OLD, "old")


def test_the_record_has_the_name_and_the_commit_and_the_pair_is_read_from_the_name(
    fill: Fill,
) -> None:
    fill()
    config = TranslatorConfig(translator=f"{NAME}@v1", backend="transformers", threads=1)
    with pytest.raises(InputError, match="translates into deu_Latn, not into fra_Latn"):
        check_translator(config, ["fra_Latn"])
    translator = open_translator(config)
    facts = translator.facts()
    assert (facts["name"], facts["revision"]) == (NAME, OLD)
    assert "pair" not in facts
    assert translator.translate([ENGLISH[0]], ["deu_Latn"])[0].text == TRANSLATIONS["deu_Latn"][0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"translator": f"{NAME}@"}, 'has no revision after "@"; write org/name@revision'),
        (
            {"translator": f"{NAME}@v1", "revision": "v2"},
            "revision is v2, and the name says v1; give one of them",
        ),
        ({"translator": "a/b/c@v1"}, "no such folder; give a folder, or a Hub name"),
        ({"translator": ".", "revision": "v1"}, "is a folder, which has no revision v1"),
        (
            {"translator": "gpt", "backend": "openai", "revision": "v1"},
            "revision is a setting of models on the Hub; with --backend openai leave it out",
        ),
    ],
)
def test_a_revision_that_means_nothing_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        files(settings.pop("translator"), **settings)


def test_a_folder_may_have_the_sign_of_a_revision_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "mine@home"
    shutil.copytree(shared_toy("marian-de"), folder)
    assert (files(str(folder)).name, files(str(folder)).revision) == ("mine@home", None)


def test_offline_a_missing_revision_is_told_with_those_that_are_there(fill: Fill) -> None:
    fill()
    with pytest.raises(
        InputError,
        match=r"nor in the Hub's cache at revision v3 \(it has (v1|refs/pr/2), main\), and .* "
        r"\(hf download org/opus-mt-en-de --revision v3\), or give a folder",
    ):
        files(f"{NAME}@v3")
    with pytest.raises(InputError, match=r"nor in the Hub's cache, and .* \(hf download org/no\)"):
        files("org/no")


def test_offline_missing_weights_are_told_with_what_fetches_them(fill: Fill) -> None:
    fill(without="model.safetensors")
    message = (
        "its weights are not in the Hub's cache, and the Hub cannot be reached; fetch them where "
        f"there is a network .hf download {NAME} --revision {NEW}."
    )
    for allow_pickle in (False, True):
        with pytest.raises(InputError, match=message):
            files(NAME, allow_pickle=allow_pickle).weights()


def test_a_checkpoint_that_is_pickled_on_the_hub_is_told_so_where_the_hub_answers(
    fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(without="model.safetensors")
    monkeypatch.setattr(HubCheckpoint, "is_reached", lambda hub: True)
    with pytest.raises(InputError, match=r"has no weights as safetensors on the Hub; give a rev"):
        files(NAME).weights()
    (folder / "snapshots" / NEW / "pytorch_model.bin").touch()
    with pytest.raises(InputError, match=r"has only pickled weights, which can run code"):
        files(NAME).weights()
