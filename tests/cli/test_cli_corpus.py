"""The commands that make corpora, as a user types them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from tests.fixtures.nmt import ENGLISH, TRANSLATIONS, shared_toy


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(ENGLISH) + "\n", encoding="utf-8")
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run a command that must fail on the user's mistake; return its one line."""
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.slow
def test_build_writes_the_translations_and_says_how_many(
    capsys: pytest.CaptureFixture[str], text: Path, tmp_path: Path
) -> None:
    out = tmp_path / "corpus"
    arguments = [
        "build",
        str(text),
        "--to",
        "de,fr",
        "--translator",
        str(shared_toy("nllb")),
        "--out",
        str(out),
        "--cache",
        str(tmp_path / "cache"),
        "--max-loss",
        "1",
        "--no-split-sentences",
    ]
    assert main(["--quiet", *arguments, "--dry-run"]) == 0
    assert f"{2 * len(ENGLISH)} translations, languages: 2" in capsys.readouterr().out
    assert not out.exists()
    assert main(["--quiet", *arguments]) == 0
    assert f"{out}: {len(ENGLISH)} rows in 3 languages" in capsys.readouterr().out
    corpus = open_corpus(out)
    assert corpus.cells("deu_Latn") == list(TRANSLATIONS["deu_Latn"])
    assert corpus.manifest["columns"]["deu_Latn"]["compute_type"].startswith("int8")


def test_build_reads_standard_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"A sentence of some length.\n")))
    assert (
        main(
            [
                "build",
                "-",
                "--to",
                "de",
                "--translator",
                str(shared_toy("nllb")),
                "--out",
                str(tmp_path / "out"),
                "--dry-run",
            ]
        )
        == 0
    )
    assert "1 sentences" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "en,de"], "eng_Latn is the pivot"),
        (["--to", "de,xx"], 'language "xx" is unknown'),
        (["--to", "de,arb_Latn"], "arb_Latn"),
        (["--to", "de", "--policy", "drop"], "policy"),
        (["--to", "de", "--filters", "nowhere.toml"], "no such file of filters"),
        (["--to", "de", "--limit", "0"], "limit is 0"),
        (["--to", "de", "--backend", "marian"], "backend"),
        (["--to", "de", "--resume"], "no run to resume"),
        (["--to", "de", "--against", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_build_refuses_in_one_line_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], text: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    line = refused(
        capsys,
        "build",
        text,
        "--translator",
        shared_toy("nllb"),
        "--out",
        tmp_path / "out",
        *arguments,
    )
    assert told in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


def test_import_joins_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "x.en").write_text("One house.\nTwo houses.\n")
    (tmp_path / "x.de").write_text("Ein Haus.\nZwei Häuser.\n")
    (tmp_path / "more.tsv").write_text("en\tfr\nOne house.\tUne maison.\n")
    out = tmp_path / "corpus"
    assert (
        main(
            [
                "import",
                *(str(tmp_path / name) for name in ("x.en", "x.de", "more.tsv")),
                "--out",
                str(out),
            ]
        )
        == 0
    )
    assert "2 rows in 3 languages" in capsys.readouterr().out
    rows = {row["eng_Latn"]: row for row in open_corpus(out).rows()}
    assert rows["One house."]["fra_Latn"] == "Une maison."
    assert rows["Two houses."]["fra_Latn"] is None


def test_filter_prints_its_table_and_keeps_what_it_rejects(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [
        {
            "en": f"A sentence about the number {n} house.",
            "de": f"Ein Satz über das Haus Nummer {n}.",
        }
        for n in range(9)
    ]
    rows[4]["de"] = "Ein Satz \ufffd über das Haus Nummer 4."
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert (
        main(
            [
                "filter",
                str(tmp_path / "rows.jsonl"),
                "--out",
                str(tmp_path / "out"),
                "--near-duplicates",
                "0",
            ]
        )
        == 0
    )
    assert "deu_Latn      9      1  11.11%" in capsys.readouterr().out
    (rejected,) = (tmp_path / "out" / "rejected" / "deu_Latn.jsonl").read_text().splitlines()
    assert json.loads(rejected)["reason"] == "marks"
    assert "at most 10% may go" in refused(
        capsys,
        "--quiet",
        "filter",
        tmp_path / "rows.jsonl",
        "--out",
        tmp_path / "less",
        "--max-loss",
        "0.1",
    )


@pytest.mark.slow
def test_a_missing_extra_names_its_install_command(text: Path, tmp_path: Path) -> None:
    for module, extra in {"rapidfuzz": "translate", "polib": "import", "ray": "scale"}.items():
        command = {
            "rapidfuzz": ["filter", "sample", "--out", str(tmp_path / "out")],
            "polib": ["import", str(tmp_path / "de.po"), "--out", str(tmp_path / "out")],
            "ray": [
                "build",
                str(text),
                "--to",
                "de",
                "--translator",
                str(shared_toy("nllb")),
                "--out",
                str(tmp_path / "out"),
                "--executor",
                "ray",
            ],
        }[module]
        (tmp_path / "de.po").write_text(
            'msgid ""\nmsgstr "Language: de\\n"\n\nmsgid "House"\nmsgstr "Haus"\n'
        )
        code = f"import sys; sys.modules[{module!r}] = None; from hexapla.cli import main; sys.exit(main({command!r}))"
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert found.returncode == 2, found.stderr
        assert f"pip install 'hexapla[{extra}]'" in found.stderr.splitlines()[-1]
