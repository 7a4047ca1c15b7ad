"""A mistake in a build is answered before a heavy library is loaded, and asking changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.build import build
from hexapla.build.build_state import BuildState, find_build_state, start_build
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from tests.fixtures.builds import toy_config, tree, write_text
from tests.fixtures.light_process import Answer, answers

MISTAKES = {
    "no file": ({"text": "nofile.txt"}, "nofile.txt: no such file or folder"),
    "no language": ({"--to": "de,qq"}, 'language "qq" is unknown'),
    "no translator": ({"--translator": "./nowhere"}, "nowhere: no such folder"),
    "no filters": ({"--filters": "./none.toml"}, "none.toml: no such file of filters"),
    "a full folder": ({"--out": "full"}, "full is not empty"),
    "a file as folder": ({"--out": "text.txt"}, "text.txt is a file"),
    "a dry run": ({"text": "nofile.txt", "--dry-run": ""}, "nofile.txt: no such file or folder"),
}


def _command(changes: dict[str, str]) -> list[str]:
    flags = {"--to": "de", "--translator": "org/nmt", "--out": "corpus", **changes}
    command = ["build", flags.pop("text", "text.txt")]
    return command + [part for flag in flags.items() for part in flag if part]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    folder = tmp_path_factory.mktemp("mistakes")
    write_text(folder)
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("")
    return answers({name: _command(changes) for name, (changes, _) in MISTAKES.items()}, folder)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_before_a_heavy_library_is_loaded(
    light: dict[str, Answer], mistake: str
) -> None:
    answer = light[mistake]
    assert MISTAKES[mistake][1] in answer.err
    assert (answer.status, answer.out, answer.heavy) == (2, "", [])
    assert answer.left == ["full", "text.txt"]


def test_asking_for_the_state_of_a_build_changes_nothing(tmp_path: Path) -> None:
    config = toy_config(tmp_path)
    settings = {"to": ["deu_Latn"]}
    config.work.mkdir()
    assert find_build_state(config, settings) is BuildState.NEW
    assert list(config.work.iterdir()) == []
    start_build(config, settings)
    (config.work / "part").write_text("half a corpus")
    before = tree(tmp_path)
    with pytest.raises(InputError, match="unfinished run; --resume continues it"):
        find_build_state(config, settings)
    resumed = toy_config(tmp_path, resume=True)
    assert find_build_state(resumed, settings) is BuildState.UNFINISHED
    replaced = toy_config(tmp_path, overwrite=True)
    assert find_build_state(replaced, {"to": ["fra_Latn"]}) is BuildState.NEW
    assert tree(tmp_path) == before


def test_a_build_never_replaces_what_it_is_made_from(tmp_path: Path) -> None:
    write_text(tmp_path)
    build(toy_config(tmp_path), quiet=True)
    text = write_text(tmp_path / "corpus")
    for changes in (
        {"source": SourceConfig(texts=(str(text),), split_sentences=False)},
        {"against": (str(tmp_path / "corpus"),)},
    ):
        with pytest.raises(InputError, match=r"corpus: (holds|is) the input .*; give another"):
            build(toy_config(tmp_path, overwrite=True, **changes), quiet=True)
    assert text.exists() and (tmp_path / "corpus" / "corpus.json").exists()
