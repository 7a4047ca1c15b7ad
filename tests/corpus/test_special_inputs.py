"""A pipe, a socket or a device in place of an input is refused at once, in every command."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hexapla.corpus import open_corpus
from hexapla.corpus.contamination import read_set
from hexapla.corpus.evaluation_sets import check_sets
from hexapla.encoder.check_encoder import check_folder
from hexapla.errors import InputError
from hexapla.evaluation.tasks.inputs import read_table_columns
from hexapla.filters.filter_settings import read_filters
from hexapla.imports.config import ImportConfig
from hexapla.imports.source_files import find_import_sources
from hexapla.runs.recipe import find_recipe
from hexapla.sources import SourceConfig, read_sentences
from hexapla.text.language_tags import LanguageTags


def build(path: Path) -> object:
    return list(read_sentences(SourceConfig(texts=(str(path),), field="text")))


def import_(path: Path) -> object:
    config = ImportConfig(files=(str(path),), out=path.parent / "out")
    return find_import_sources(config, LanguageTags("eng_Latn", None))


# what reads it, and the ending that it would have
INPUTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (build, ".txt"),
    "table of text": (build, ".parquet"),
    "memory": (import_, ".tmx"),
    "messages": (import_, ".po"),
    "side": (import_, ".de"),
    "corpus": (open_corpus, ".tsv"),
    "corpus of parquet": (open_corpus, ".parquet"),
    "evaluation set": (lambda path: list(read_set(str(path), ["deu_Latn"])), ".txt"),
    "checked set": (lambda path: check_sets([str(path)]), ".jsonl"),
    "folder of sets": (lambda path: list(read_set(str(path.parent), ["deu_Latn"])), ".txt"),
    "own data": (lambda path: read_table_columns(path, ["score"]), ".parquet"),
    "recipe": (find_recipe, ".toml"),
    "filters": (read_filters, ".toml"),
    "weights": (lambda path: check_folder(path.parent), ".safetensors"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_pipe_a_socket_or_a_device_is_refused_at_once(tmp_path: Path, name: str) -> None:
    read, suffix = INPUTS[name]
    path = tmp_path / f"x{suffix}"
    os.mkfifo(path)
    with pytest.raises(InputError, match=rf"x{suffix} is a pipe; files are read more than once"):
        read(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=rf"x{suffix} is a device"):
        read(path)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        with pytest.raises(InputError, match=rf"x{suffix} is a socket"):
            read(path)


def test_hidden_files_in_a_folder_of_sets_are_ignored_whatever_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("Good day\n")
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "fsmonitor--daemon.ipc")
    assert list(read_set(str(tmp_path), ["deu_Latn"])) == ["Good day"]
