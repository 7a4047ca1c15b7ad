"""The command line: 0 done, 2 on the user's mistake with one line on stderr and nothing written, 1 on anything else."""

from __future__ import annotations

import inspect
import json
import logging
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import hexapla
from hexapla.cli.app import COMMANDS, main
from hexapla.cli.settings_page import settings_page
from hexapla.corpus.writer import write_corpus
from tests.fixtures.light_process import Answer, answers
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "toy"
    write_corpus(toy_rows(60), folder, languages=LANGUAGES)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return toy_encoder(tmp_path_factory.mktemp("encoders") / "toy")


def run(command: str) -> None:
    """Run a command that must succeed."""
    assert main(shlex.split(command)) == 0


def refused(capsys, *arguments: str | Path) -> str:
    """Run a command that must fail on the user's mistake; return its one line."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.slow
def test_the_whole_way_from_corpus_to_comparison(capsys, corpus, encoder, tmp_path):
    for regime in ("en-x", "multiway"):
        run(
            f"--quiet align {corpus} --encoder {encoder} --out {tmp_path / regime} "
            f"--regime {regime} --rows-per-step 16 --epochs 3 --learning-rate 3e-3"
        )
    folders = {"base": encoder, "en-x": tmp_path / "en-x", "multiway": tmp_path / "multiway"}
    for name, folder in folders.items():
        run(
            f"evaluate {folder} --suite bitext --data {corpus} --seen {','.join(LANGUAGES)} "
            f"--out {tmp_path / 'scores' / name} --quiet"
        )
    capsys.readouterr()
    names = [str(tmp_path / "scores" / name) for name in ("base", "en-x", "multiway")]
    assert main(["compare", *names, "--out", str(tmp_path / "comparison")]) == 0
    printed = capsys.readouterr().out
    assert "en-x" in printed and "multiway" in printed and "seen" in printed
    assert json.loads((tmp_path / "comparison" / "comparison.json").read_text())
    assert main(["inspect", str(tmp_path / "multiway")]) == 0
    assert (
        "Languages seen in alignment: English (eng_Latn), German (deu_Latn)"
        in capsys.readouterr().out.replace("\n", " ")
    )


def test_inspect_shows_a_corpus(capsys, corpus):
    assert main(["inspect", str(corpus)]) == 0
    printed = capsys.readouterr().out
    assert "60 rows in 4 languages" in printed and "deu_Latn" in printed


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--regime", "multi-way"], 'did you mean "multiway"'),
        (["--languages", "eng_Latn,zz"], "zz"),
        (["--languages", "eng_Latn,zh"], "zho_Hans"),
        (["--languages", "eng_Latn"], "languages is eng_Latn alone"),
        (["--languages", "eng_Latn,pol_Latn"], "no column pol_Latn"),
        (["--rows-per-step", "61"], "60 rows to train on, fewer than the 61 of a step"),
        (["--encoder", "./nowhere"], "no such encoder folder"),
        (["--recipe", "papr"], 'did you mean "paper"'),
        (["--temperature", "warm"], "temperature"),
        (["--no-such-flag"], "--no-such-flag"),
        (["--resume"], "no run to resume here"),
        (["--out", f"{__file__}/out"], f"{__file__} is a file; no folder can lie in it"),
    ],
)
def test_mistakes_in_align(capsys, corpus, encoder, tmp_path, extra, message):
    line = refused(capsys, "align", corpus, "--encoder", encoder, "--out", tmp_path / "out", *extra)
    assert message in line
    assert not (tmp_path / "out").exists()


def test_mistakes_with_corpora(capsys, corpus, encoder, tmp_path):
    def align(folder: Path) -> str:
        return refused(capsys, "align", folder, "--encoder", encoder, "--out", tmp_path / "out")

    def damaged(name: str) -> Path:
        write_corpus(toy_rows(60), tmp_path / name, languages=LANGUAGES)
        return tmp_path / name

    assert "nowhere" in align(tmp_path / "nowhere")
    folder = damaged("unfinished")
    (folder / "corpus.json").unlink()
    assert "corpus.json" in align(folder)
    folder = damaged("truncated")
    shard = folder / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-100])
    assert "part-00000.parquet is truncated" in align(folder)
    folder = damaged("flipped")
    shard = folder / "part-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert "part-00000.parquet was altered" in align(folder)
    folder = damaged("miscounted")
    manifest = json.loads((folder / "corpus.json").read_text())
    manifest["shards"][0]["n_rows"] = manifest["n_rows"] = 59
    (folder / "corpus.json").write_text(json.dumps(manifest))
    assert "has 60 rows; it should have 59" in align(folder)
    table = tmp_path / "table.tsv"
    table.write_text("eng_Latn\tdeu_Latn\na\tb\n\tc\n")
    assert "no eng_Latn cell" in align(table)
    table.write_text("eng_Latn\na\nb\n")
    assert "one language" in align(table) or "two" in align(table)
    table.write_bytes(b"eng_Latn\tdeu_Latn\na\tb\nc\0d\te\n")
    assert "NUL" in align(table)
    table.write_bytes(b"eng_Latn\tdeu_Latn\na\tb\nc\t\xed\xa0\x80\n")
    assert "table.tsv:3" in align(table)
    assert not (tmp_path / "out").exists()


def test_unknown_recipe_keys_name_the_nearest(capsys, corpus, encoder, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[align]\ntemprature = 0.1\n")
    command = ["align", corpus, "--encoder", encoder, "--out", tmp_path / "out", "--recipe", recipe]
    assert 'unknown key "temprature" in [align]; did you mean "temperature"' in refused(
        capsys, *command
    )
    recipe.write_text("[aling]\n")
    assert 'unknown table [aling]; a recipe has [align]; did you mean "align"' in refused(
        capsys, *command
    )
    recipe.write_text("temperature = \n")
    assert "not a TOML file" in refused(capsys, *command)
    recipe.write_text("[align]\ntemperature = 'warm'\n")
    assert 'temperature is "warm"; it must be a number above 0' in refused(capsys, *command)
    assert not (tmp_path / "out").exists()


def test_flags_win_over_the_recipe(corpus, encoder, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        "[align]\nrows_per_step = 20\nregime = 'star'\ngradient_checkpointing = true\n"
    )
    run(
        f"--quiet align {corpus} --encoder {encoder} --out {tmp_path / 'out'} --recipe {recipe} "
        "--regime en-x --report-to none --no-gradient-checkpointing"
    )
    config = json.loads((tmp_path / "out" / "run.json").read_text())["config"]
    assert (config["rows_per_step"], config["regime"]) == (20, "en-x")
    assert config["gradient_checkpointing"] is False


def test_the_carried_recipes_are_complete_and_read():
    from hexapla.alignment.config import AlignConfig
    from hexapla.runs.recipe import carried_recipes, read_recipe

    assert set(carried_recipes()) == {"hexapla", "paper"}
    for name in carried_recipes():
        AlignConfig(
            corpus="sample",
            encoder="tiny",
            out=Path("out"),
            **read_recipe(name, "align", AlignConfig),
        )


def test_scores_that_do_not_match_are_refused(capsys, encoder, tmp_path):
    for name, seed in (("one", 0), ("other", 1)):
        write_corpus(toy_rows(20, seed), tmp_path / name / "data", languages=LANGUAGES)
        run(
            f"evaluate {encoder} --suite bitext --data {tmp_path / name / 'data'} --seen eng_Latn "
            f"--out {tmp_path / name / 'scores'} --quiet"
        )
    capsys.readouterr()
    assert "differs" in refused(
        capsys, "compare", tmp_path / "one" / "scores", tmp_path / "other" / "scores"
    )
    assert "nowhere" in refused(
        capsys, "compare", tmp_path / "one" / "scores", tmp_path / "nowhere"
    )


def test_an_unknown_command_has_a_suggestion_and_none_has_the_help(capsys):
    assert 'no command "aling"' in (line := refused(capsys, "aling"))
    assert 'did you mean "align"?' in line
    assert main([]) == 2
    captured = capsys.readouterr()
    assert "Commands" in captured.out and captured.err == ""


def test_debug_shows_the_traceback_and_other_errors_exit_1(capsys, monkeypatch, tmp_path):
    assert main(["--debug", "inspect", str(tmp_path / "nowhere")]) == 2
    assert "Traceback" in capsys.readouterr().err

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the\ndisk is on fire")

    monkeypatch.setattr("hexapla.corpus.inspect.inspect_corpus", broken)
    assert main(["inspect", "sample"]) == 1
    assert (
        capsys.readouterr().err
        == "hexapla: RuntimeError: the disk is on fire (--debug shows where)\n"
    )


# Run in a folder with a text, and a folder `full` of notes that are not ours.
MISTAKES = (
    "align sample --out out",
    "align sample --encoder tiny --languages en,zh --out out",
    "align sample --encoder tiny --languages en,sw --out out",
    "align sample --encoder tiny --regime multiwy --out out",
    "align sample --encoder ./nowhere --out out",
    "align nowhere.tsv --encoder tiny --out out",
    "align sample --encoder tiny --out full",
    "evaluate tiny --suite bitxt --out out",
    "evaluate ./nowhere --suite bitext --data sample --out out",
    "evaluate tiny --suite bitext --data nowhere --out out",
    "evaluate tiny --suite bitext --data sample --out full",
    "mine nowhere.txt nowhere.txt --encoder tiny --out out.tsv",
    "score nowhere.tsv --encoder tiny --out out.tsv",
    "align-documents nowhere.txt nowhere.txt --encoder tiny --out out.tsv",
    "merge tiny ./nowhere --corpus sample --out out",
    "merge tiny tiny --corpus sample --out full",
    "trim ./nowhere --languages en --corpus sample --out out",
    "trim tiny --languages en --corpus nowhere --out out",
    "trim tiny --languages en,xx --corpus sample --out out",
    "trim tiny --languages fi --words 0 --corpus sample --out out",
    "trim tiny --languages en --words 0 --out out",
    "trim tiny --languages en --corpus sample --out full",
    "explore ./nowhere sample",
    "build nowhere.txt --to de --translator ./nowhere --out out",
    "build text.txt --to zh --translator ./nowhere --out out",
    "build text.txt --to de --translator ./nowhere --out full",
    "import nowhere.tmx --out out",
    "filter nowhere --out out",
    "filter sample --out full",
    "inspect nowhere",
    "compare nowhere nowhere",
    "report nowhere nowhere --out out",
    "reproduce nowhere --out out",
    "reproduce mini --out full",
    "align sample --encoder small@5 --out out",
    "align sample --encoder small@13 --out out",
    "fetch-data --suite quik --out out",
    "fetch-encoder small@13 --out out",
    "fetch-encoder small --wheels nowhere --out out",
    "fetch-encoder small --out full",
    "demo --out full",
)


@pytest.fixture(scope="module")
def light(tmp_path_factory) -> dict[str, Answer]:
    """What the mistakes and two helps are answered, and what they load and leave."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "full").mkdir()
    (folder / "full" / "notes.txt").write_text("not ours")
    (folder / "text.txt").write_text("A sentence of some length.\n")
    commands = ("--help", "align --help", *MISTAKES)
    found = answers({command: shlex.split(command) for command in commands}, folder)
    assert [path.name for path in (folder / "full").iterdir()] == ["notes.txt"]
    return found


@pytest.mark.parametrize("command", ["--help", "align --help"])
def test_help_loads_nothing_heavy(light, command):
    assert (light[command].status, light[command].err, light[command].heavy) == (0, "", [])


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_told_before_anything_heavy_is_loaded(light, command):
    answer = light[command]
    assert (answer.status, answer.err.count("\n"), answer.heavy) == (2, 1, []), answer.err
    assert answer.left == ["full", "text.txt"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    assert main([command, "--help"]) == 0
    assert "Example: hexapla " + command in " ".join(capsys.readouterr().out.split())


def test_quiet_holds_for_one_call_before_or_after_the_command(monkeypatch):
    levels = []
    monkeypatch.setattr(
        "hexapla.demo.demo",
        lambda *_, **__: levels.append(logging.getLogger("hexapla").level),
    )
    monkeypatch.setattr("hexapla.cli.demo.demo_lines", lambda _: [])
    for arguments in (["--quiet", "demo"], ["demo"], ["demo", "--quiet"], ["demo"]):
        assert main(arguments) == 0
    assert levels == [logging.WARNING, logging.INFO] * 2


@pytest.fixture
def not_yet_imported() -> Iterator[None]:
    """The package is imported anew in the test, and what was imported before is there after it."""

    def take_out() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] == "hexapla"]
        return {name: sys.modules.pop(name) for name in names}

    before = take_out()
    yield
    take_out()
    sys.modules.update(before)


@pytest.mark.parametrize(
    "imports",
    [
        "from hexapla import AlignConfig, align, EvaluateConfig, evaluate, CompareConfig, compare",
        "import hexapla.alignment, hexapla.evaluation\nfrom hexapla import align, compare, evaluate",
        "from hexapla.reproduce import reproduce\nfrom hexapla import align, compare, evaluate",
    ],
)
def test_the_stages_are_functions_whatever_is_imported_first(not_yet_imported, imports):
    names: dict[str, object] = {}
    exec(imports, names)
    assert names["align"].__module__ == "hexapla.alignment.stage"
    assert all(inspect.isfunction(names[stage]) for stage in ("align", "compare", "evaluate"))


def test_the_page_of_settings_is_that_of_the_classes():
    page = Path(hexapla.__file__).parents[1] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(), "run `make docs`"
