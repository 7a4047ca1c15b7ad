"""A mistake in a build is answered before a heavy library is loaded, and asking changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hexapla.build import build
from hexapla.build.build_state import BuildState, find_build_state, start_build
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from tests.fixtures.builds import toy_config, tree, write_text

HEAVY = ("torch", "transformers", "sentence_transformers", "datasets", "ctranslate2")
SCRIPT = f"""
import sys
from hexapla.cli.app import main
status = main(sys.argv[1:])
print(sorted(set({HEAVY}) & set(sys.modules)), status)
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "nofile.txt"}, "nofile.txt: no such file or folder"),
        ({"--to": "de,qq"}, 'language "qq" is unknown'),
        ({"--translator": "./nowhere"}, "nowhere: no such folder"),
        ({"--filters": "./none.toml"}, "none.toml: no such file of filters"),
        ({"--out": "full"}, "full is not empty"),
        ({"--out": "text.txt"}, "text.txt is a file"),
        ({"text": "nofile.txt", "--dry-run": ""}, "nofile.txt: no such file or folder"),
    ],
)
def test_a_mistake_is_answered_before_a_heavy_library_is_loaded(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    write_text(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    flags = {"--to": "de", "--translator": "org/nmt", "--out": "corpus", **changes}
    command = ["build", flags.pop("text", "text.txt")]
    command += [part for flag in flags.items() for part in flag if part]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert message in done.stderr
    assert done.stdout.strip() == "[] 2"
    assert not (tmp_path / "corpus").exists()


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
