"""A build by a program or a Python function is like any other: resumed, recorded, refused in time."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from hexapla.build import build, estimate_build
from hexapla.build.config import BuildConfig
from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.reproduce.content_keys import build_key
from tests.fixtures.builds import N_ROWS, start_or_resume, toy_config, tree, write_text
from tests.fixtures.forks import forks
from tests.fixtures.line_programs import n_starts, settings, write_program
from tests.fixtures.toy import toy_rows

# The toy translator's words, so that every filter has what it has elsewhere.
_WORDS = "answer = text.replace('eng', target)"
_CODES = ("eng_Latn=eng", "deu_Latn=deu", "fra_Latn=fra")


def config_of(folder: Path, fault: str = "pass", **changes: Any) -> BuildConfig:
    """Return a build of the toy sentences by a program with a fault, without the slow filters."""
    folder.mkdir(exist_ok=True)
    write_text(folder)
    (folder / "filters.toml").write_text("language = false\n")
    named = {"streams", "version_command"} & set(changes)
    fault = f"{_WORDS} if text[0] == 'e' else answer\n    {fault}"
    command = write_program(folder, fault, start=changes.pop("start", ""))
    translator = settings(command, codes=_CODES, **{name: changes.pop(name) for name in named})
    given = {"translator": translator, "filters": str(folder / "filters.toml"), **changes}
    return toy_config(folder, **given)


@pytest.mark.parametrize("streams", ["always", "never"])
def test_every_sentence_is_in_its_row_though_the_program_crashes(
    streams: str, tmp_path: Path
) -> None:
    config = config_of(tmp_path, "if n % 20 == 0: sys.exit(3)", streams=streams)
    build(config, quiet=True)
    rows = list(open_corpus(tmp_path / "corpus").rows())
    expected = [
        {code: f"{row[code]}." for code in ("eng_Latn", "deu_Latn", "fra_Latn")}
        for row in toy_rows(N_ROWS)
    ]
    assert [{code: row[code] for code in expected[0]} for row in rows] == expected


def test_a_program_goes_through_all_shards_of_its_language(tmp_path: Path) -> None:
    build(config_of(tmp_path), quiet=True)
    # Both languages are asked; the first is then open, and goes through all shards.
    assert n_starts(tmp_path) == 3


def test_the_record_names_the_program_its_version_and_codes(tmp_path: Path) -> None:
    config = config_of(tmp_path, version_command="echo my-mt 1.2")
    build(config, quiet=True)
    column = open_corpus(tmp_path / "corpus").manifest["columns"]["deu_Latn"]
    assert (column["backend"], column["version"]) == ("command", "my-mt 1.2")
    assert column["codes"] == {"eng_Latn": "eng", "deu_Latn": "deu", "fra_Latn": "fra"}
    assert "program.py" in column["files"]
    assert "my-mt 1.2" in (tmp_path / "corpus" / "README.md").read_text()
    whole = (tmp_path / "corpus" / "corpus.json").read_text()
    assert str(tmp_path) not in whole


def test_a_finished_build_is_the_same_unless_the_program_has_changed(tmp_path: Path) -> None:
    build(config_of(tmp_path), quiet=True)
    finished = tree(tmp_path / "corpus")
    build(config_of(tmp_path, resume=True), quiet=True)
    assert tree(tmp_path / "corpus") == finished
    config = config_of(tmp_path, "note('another version')", resume=True)
    with pytest.raises(InputError, match=r"translator\.files\.program\.py was"):
        build(config, quiet=True)


def _die_at(folder: Path, kills: list[int]) -> BuildConfig:
    """Return a build that dies by SIGKILL whenever its program has read so many lines in all."""
    (folder / "kills").write_text(" ".join(map(str, kills)))
    fault = (
        "note('line'); n_read = open(log).read().count('line')\n"
        "    if str(n_read) in open(log[:-3] + 'kills').read().split(): "
        "os.kill(parent, 9); os._exit(0)"
    )
    return config_of(folder, fault, start="parent = os.getppid()")


@pytest.mark.slow
@pytest.mark.parametrize("n_kills", [4, pytest.param(20, marks=pytest.mark.fuzz)])
def test_kills_between_any_lines_change_nothing_in_the_end(tmp_path: Path, n_kills: int) -> None:
    build(_die_at(tmp_path, []), quiet=True)
    whole = tree(tmp_path / "corpus")
    shutil.rmtree(tmp_path / "corpus")
    (tmp_path / "log").write_text("")
    draw = random.Random(3)
    # A process reads four lines of trial, and 33 in a shard that it completes.
    kills = list(itertools.accumulate(draw.randint(1, 40) for _ in range(n_kills)))
    config = _die_at(tmp_path, kills)
    statuses = []
    while not statuses or statuses[-1]:
        process = forks().Process(target=start_or_resume, args=(config,))
        process.start()
        process.join(60)
        statuses.append(process.exitcode)
        assert len(statuses) <= n_kills + 1
    assert statuses == [-signal.SIGKILL] * n_kills + [0]
    assert tree(tmp_path / "corpus") == whole


@pytest.mark.slow
def test_workers_have_a_program_each_and_change_nothing(tmp_path: Path) -> None:
    build(config_of(tmp_path), quiet=True)
    whole = tree(tmp_path / "corpus")
    shutil.rmtree(tmp_path / "corpus")
    build(config_of(tmp_path, workers=2), quiet=True)
    assert tree(tmp_path / "corpus") == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"start": "sys.exit('no model for ' + target)"},
            "ended with exit status 1.*no model for fra",
        ),
        ({"fault": "answer = ''"}, "answered .* with an empty line"),
    ],
)
def test_a_program_that_does_not_translate_is_told_before_anything_is_written(
    changes: dict[str, str], message: str, tmp_path: Path
) -> None:
    write_text(tmp_path)
    config = toy_config(
        tmp_path, translator=settings(write_program(tmp_path, **changes), codes=_CODES)
    )
    with pytest.raises(InputError, match=message):
        build(config, quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "program.py", "text.txt"]


def test_a_build_never_replaces_its_program(tmp_path: Path) -> None:
    build(config_of(tmp_path), quiet=True)
    inside = write_program(tmp_path / "corpus")
    with pytest.raises(InputError, match=r"corpus: holds the translator .*program\.py"):
        build(toy_config(tmp_path, overwrite=True, translator=settings(inside)), quiet=True)


def test_a_sentence_that_the_program_refuses_is_null_and_kept_with_its_reason(
    tmp_path: Path,
) -> None:
    refused = f"{toy_rows(N_ROWS)[7]['eng_Latn']}."
    build(config_of(tmp_path, f"if text == {refused!r} and target == 'deu': continue"), quiet=True)
    row = list(open_corpus(tmp_path / "corpus").rows())[7]
    assert (row["eng_Latn"], row["deu_Latn"]) == (refused, None)
    assert row["fra_Latn"] == refused.replace("eng", "fra")
    lines = (tmp_path / "corpus" / "rejected" / "deu_Latn.jsonl").read_text().splitlines()
    (entry,) = map(json.loads, lines)
    assert (entry["source"], entry["reason"]) == (refused, "misaligned")


def test_the_size_of_a_build_is_told_without_a_price(tmp_path: Path) -> None:
    estimate = estimate_build(config_of(tmp_path))
    assert (estimate.n_sentences, estimate.n_languages, estimate.n_requests) == (N_ROWS, 2, None)


def test_a_function_builds_the_same_corpus_as_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy_mt.py").write_text(
        "def translate(texts, source, target):\n"
        "    return [text.replace(source, target) for text in texts]\n"
    )
    by_program = config_of(tmp_path)
    build(by_program, quiet=True)
    function = settings("toy_mt:translate", backend="python", streams="auto", codes=_CODES)
    build(config_of(tmp_path, translator=function, out=tmp_path / "other"), quiet=True)
    one, other = (open_corpus(tmp_path / name) for name in ("corpus", "other"))
    assert list(one.rows()) == list(other.rows())
    assert other.manifest["columns"]["deu_Latn"]["name"] == "toy_mt:translate"


def test_a_recipe_has_the_codes_as_a_table_and_a_key_for_each_content(tmp_path: Path) -> None:
    def key(fault: str = "pass", **codes: str) -> str:
        write_text(tmp_path)
        table: dict[str, Any] = {
            "texts": str(tmp_path / "text.txt"),
            "to": ["de"],
            "backend": "command",
            "translator": write_program(tmp_path, fault),
        }
        return build_key(table | ({"codes": codes} if codes else {}))

    keys = [key(), key(eng_Latn="en", deu_Latn="de"), key(en="en", de="ger"), key("answer = 'x'")]
    assert len(set(keys)) == 4
    assert key() == keys[0]


def test_the_flags_of_a_program_are_read_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_of(tmp_path)
    command = write_program(tmp_path, _WORDS)
    given = [
        "build",
        str(tmp_path / "text.txt"),
        "--to",
        "de,fr",
        "--out",
        str(tmp_path / "corpus"),
    ]
    given += ["--backend", "command", "--translator", command, "--streams", "always"]
    given += ["--filters", "none", "--near-duplicates", "0", "--quiet"]
    assert main([*given, "--codes", "en=eng,de=deu"]) == 2
    assert "codes has no fra_Latn (French), only eng_Latn, deu_Latn" in capsys.readouterr().err
    assert main([*given, "--codes", "en=eng,de=deu,fr=fra"]) == 0
    assert open_corpus(tmp_path / "corpus").n_rows == N_ROWS
