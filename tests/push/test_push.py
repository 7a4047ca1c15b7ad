"""A push sends a whole encoder or corpus with its card, and nothing that is nobody's business."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import describe
from hexapla.encoder.save import save_encoder
from hexapla.errors import InputError
from hexapla.push import PushConfig, push
from hexapla.runs.record import write_record
from tests.fixtures.hub_server import TOKEN, Hub, Repository, hub_server
from tests.fixtures.merging import write_records
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.fixture
def hub(monkeypatch) -> Iterator[Hub]:
    with hub_server() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Return an aligned encoder, with the places that it was made from in its records."""
    folder = tmp_path_factory.mktemp("secret-place")
    base = toy_encoder(folder / "base")
    write_records(base, base, prompt="/home/anna/not a path: ", example=["A text.", "Ein Text."])
    result = json.loads((base / "align.json").read_text())
    (base / "README.md").unlink()
    out = folder / "support"
    model = load_encoder(base)
    model.model_card_data.license = "mit"
    save_encoder(model, out, result)
    write_record(out, "align", {"corpus": f"{folder}/my corpora/tickets", "encoder": str(base)})
    for name in ("checkpoints/checkpoint-3/optimizer.pt", "logs/events.1", ".cache/x", "notes.txt"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("not for others")
    return out


@pytest.fixture
def encoder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "support"))


@pytest.fixture
def corpus(tmp_path) -> Path:
    folder = tmp_path / "tickets"
    columns = {"deu_Latn": {"file": f"{tmp_path}/tickets.de.txt"}}
    write_corpus(toy_rows(12), folder, languages=LANGUAGES, columns=columns)
    (folder / "rejected").mkdir()
    (folder / "rejected" / "deu_Latn.jsonl").write_text("{}\n")
    return folder


def test_an_encoder_is_pushed_whole_and_private_and_loads_again(hub, encoder, tmp_path, capsys):
    assert main(["push", str(encoder), "my-team/support"]) == 0
    printed = capsys.readouterr().out
    assert f"{hub.url}/my-team/support: " in printed and ", private\n" in printed
    assert "left out: .cache, checkpoints, logs, notes.txt\n" in printed
    assert 'next: SentenceTransformer("my-team/support")' in printed
    repository = hub.repositories["models/my-team/support"]
    assert repository.private
    here = {path.relative_to(encoder).as_posix() for path in encoder.rglob("*") if path.is_file()}
    assert set(repository.files) == {
        name
        for name in here
        if not name.startswith(("checkpoints/", "logs/", ".cache/", "notes.txt"))
    }
    again = tmp_path / "again"
    for name, content in repository.files.items():
        (again / name).parent.mkdir(parents=True, exist_ok=True)
        (again / name).write_bytes(content)
    assert describe(again).sha256 == describe(encoder).sha256
    expected = load_encoder(encoder).encode(["eng01 eng02"]).tolist()
    assert load_encoder(again).encode(["eng01 eng02"]).tolist() == expected


def test_no_path_of_this_machine_is_pushed_and_texts_stay(hub, encoder):
    push(PushConfig(folder=encoder, repository="my-team/support"), quiet=True)
    files = hub.repositories["models/my-team/support"].files
    for name, content in files.items():
        assert b"secret-place" not in content and str(encoder).encode() not in content, name
    assert json.loads(files["run.json"])["config"] == {"corpus": "tickets", "encoder": "base"}
    assert json.loads(files["align.json"])["prompt"] == "/home/anna/not a path: "
    card = files["README.md"].decode()
    assert 'model = SentenceTransformer("my-team/support")' in card
    assert "license: mit" in card and "'Ein Text.'," in card


def test_a_path_in_a_configuration_goes_and_the_hash_follows(hub, encoder, tmp_path, caplog):
    config = json.loads((encoder / "config.json").read_text())
    config["_name_or_path"] = "/secret-place/models/e5"
    (encoder / "config.json").write_text(json.dumps(config))
    record = json.loads((encoder / "align.json").read_text())
    record["sha256"] = describe(encoder).sha256
    (encoder / "align.json").write_text(json.dumps(record))
    push(PushConfig(folder=encoder, repository="my-team/support"), quiet=True)
    again = tmp_path / "again"
    for name, content in hub.repositories["models/my-team/support"].files.items():
        (again / name).parent.mkdir(parents=True, exist_ok=True)
        (again / name).write_bytes(content)
    assert json.loads((again / "config.json").read_text())["_name_or_path"] == "e5"
    with caplog.at_level(logging.WARNING, logger="hexapla"):
        load_encoder(again)
    assert "have changed" not in caplog.text


def test_a_corpus_is_pushed_without_rejected_cells_and_shards_of_an_older_push_go(
    hub, corpus, tmp_path, caplog
):
    old = {"part-00000.parquet": b"old", "part-00001.parquet": b"old", "notes.md": b"kept"}
    hub.repositories["datasets/my-team/tickets"] = Repository(private=True, files=old)
    pushed = push(PushConfig(folder=corpus, repository="my-team/tickets"), quiet=True)
    assert pushed.url == f"{hub.url}/datasets/my-team/tickets" and pushed.left_out == ("rejected",)
    files = hub.repositories["datasets/my-team/tickets"].files
    assert set(files) == {"README.md", "corpus.json", "notes.md", "part-00000.parquet"}
    assert str(tmp_path).encode() not in files["corpus.json"]
    shard = pq.read_table(io.BytesIO(files["part-00000.parquet"]))
    assert shard["eng_Latn"].to_pylist() == [row["eng_Latn"] for row in toy_rows(12)]
    assert open_corpus(corpus).manifest["columns"]["deu_Latn"]["file"].startswith(str(tmp_path))
    assert "tickets: its licence is not known" in caplog.text


def test_a_public_repository_is_only_pushed_to_when_that_is_asked_for(hub, corpus):
    hub.repositories["datasets/my-team/tickets"] = Repository(private=False)
    with pytest.raises(InputError, match="exists and is public; give --public to push there"):
        push(PushConfig(folder=corpus, repository="my-team/tickets"), quiet=True)
    assert hub.repositories["datasets/my-team/tickets"].files == {}
    push(PushConfig(folder=corpus, repository="my-team/new", public=True), quiet=True)
    assert not hub.repositories["datasets/my-team/new"].private


def test_a_dry_run_lists_the_files_and_sends_nothing(hub, encoder, capsys):
    assert main(["push", str(encoder), "my-team/support", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "model.safetensors\n" in printed and "would be pushed to" in printed
    assert hub.asked == [] and hub.repositories == {}


@pytest.mark.parametrize(
    ("token", "repository", "message"),
    [
        ("hf_wrong", "my-team/a", r"the Hub does not know the token; .* hf auth login \(401"),
        (TOKEN, "another-team/a", r"the token may not write to another-team; .* \(403: You don't"),
    ],
)
def test_what_the_hub_refuses_is_said_with_what_to_do(
    hub, corpus, monkeypatch, token, repository, message
):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(InputError, match=message):
        push(PushConfig(folder=corpus, repository=repository), quiet=True)
    assert hub.repositories == {}


def test_without_token_or_network_nothing_is_sent(hub, corpus, monkeypatch):
    config = PushConfig(folder=corpus, repository="my-team/tickets")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match=r"no token of the Hub; make one .*: hf auth login"):
        push(config, quiet=True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set, and a push needs the Hub"):
        push(config, quiet=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the Hub cannot be reached: .*; check the network"):
        push(config, quiet=True)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("language: [unclosed", "its front matter, .*, is not valid"),
        ("language:\n- zh-Hans", 'language is "zh-Hans"; the Hub takes codes of two or three'),
        ("tags:\n- 5", 'Invalid metadata in README.md.*"tags\\[0\\]" must be a string'),
    ],
)
def test_a_card_that_the_hub_would_refuse_is_refused_with_the_reason(hub, encoder, front, message):
    (encoder / "README.md").write_text(f"---\n{front}\n---\n# A card\n")
    with pytest.raises(InputError, match=f"(?s){message}"):
        push(PushConfig(folder=encoder, repository="my-team/support"), quiet=True)


def test_an_encoder_without_a_card_gets_a_plain_one(hub, tmp_path):
    folder = toy_encoder(tmp_path / "toy")
    (folder / "README.md").unlink()
    push(PushConfig(folder=folder, repository="my-team/toy"), quiet=True)
    card = hub.repositories["models/my-team/toy"].files["README.md"].decode()
    assert card.endswith("\n# toy\n") and "library_name: sentence-transformers" in card


def test_what_is_neither_or_unfinished_is_refused(encoder, tmp_path):
    def refused(folder: Path, why: str) -> None:
        with pytest.raises(InputError, match=why):
            push(PushConfig(folder=folder, repository="my-team/a"))

    refused(tmp_path / "nowhere", "no such folder")
    (tmp_path / "scores").mkdir()
    refused(tmp_path / "scores", "neither an encoder folder")
    (encoder / "align.json").unlink()
    refused(encoder, r"is unfinished; finish it \(--resume\)")


@pytest.mark.parametrize(
    "name", ["support", "a/b/c", "my team/a", "/a", "a/", "a--b/c", "a/b.git", "-a/b", "ä/b"]
)
def test_a_name_that_is_no_repository_is_refused(name):
    with pytest.raises(InputError, match="it must be OWNER/NAME such as"):
        PushConfig(folder=Path(), repository=name)


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(InputError, match="repository has 102 characters; the Hub allows 96"):
        PushConfig(folder=Path(), repository=f"a/{'b' * 100}")
