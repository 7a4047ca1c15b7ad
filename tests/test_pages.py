"""The pages of the documentation: the blocks of README and tutorials run as a reader pastes them.

A block marked `sh` or `python` is run, in the order of its page and in one folder; a block marked
`text` is what is then printed, up to its numbers. Blocks without a mark are not run: they need the
network, or files of the reader's own. Those of the README, which has none, are run but for the
set-up.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from recipes import study_tables

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/tickets.md", "docs/bitext.md", "docs/trainer.md")
TINY = ROOT / "hexapla" / "data" / "tiny"

N_ROWS = 16
LANGUAGES = ("en", "de", "fr", "es")
# What makes the blocks small: a part of the sample, and one epoch.
SMALLER = {
    r"align rows\.tsv": "align few.tsv --rows-per-step 8",
    r"(?<= )(sample|rows\.tsv)(?=\s)": "few.tsv",
    r'"sample"': '"few.tsv"',
    r"--held-out 0\.1": "--held-out 0.4",
    r"--epochs \d+": "--epochs 1",
    r"num_train_epochs=\d+": "num_train_epochs=1",
    r"--rows-per-step \d+": "--rows-per-step 8",
    r"train_batch_size=\d+": "train_batch_size=8",
}
# What needs the network.
OFFLINE = {r"\bintfloat/multilingual-e5-small\b": "tiny", r'"xlm-roberta-base"': repr(str(TINY))}
SET_UP = {"make", "export", "source", "pip", "git"}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEREDOC = re.compile(r"<<'(\w+)'")
_NUMBER = re.compile(r"(\d+ min )?\d[\d.,]*( s\b)?")


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks of a page that are run or compared: their mark and their text."""
    found = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    unmarked = "sh" if page == "README.md" else ""
    marked = [(mark or unmarked, text) for mark, text in found]
    return [(mark, text) for mark, text in marked if mark in ("sh", "python", "text")]


def commands(block: str) -> Iterator[str]:
    """Yield the commands of a shell block, with the lines that they go on in."""
    lines = iter(block.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command = command[:-1] + next(lines)
        if here := _HEREDOC.search(command):
            for text in lines:
                command += "\n" + text
                if text == here[1]:
                    break
        if command.strip():
            yield command


def run_shell(block: str) -> None:
    """Run a shell block in the working directory, Hexapla's commands in this process."""
    for command in commands(block):
        name, *arguments = shlex.split(command.partition("\n")[0], comments=True) or ["true"]
        if name == "hexapla":
            assert main(arguments) == 0, command
        elif name not in SET_UP:
            subprocess.run(["bash", "-ec", command], check=True)


def without_numbers(text: str) -> str:
    return " ".join(_NUMBER.sub("N", text).split())


def run_page(page: str, capfd: pytest.CaptureFixture[str], replace: dict[str, str]) -> None:
    """Run a page's blocks, and compare what they print with what the page shows."""
    names: dict[str, object] = {"__name__": "page"}
    printed = ""
    for kind, block in blocks(page):
        if kind == "text":
            lines = [without_numbers(line) for line in block.splitlines()]
            missing = [line for line in lines if line not in ("...", "") and line not in printed]
            assert missing == [], f"{page} shows what is not printed: {printed}"
            continue
        for pattern, text in replace.items():
            block = re.sub(pattern, text, block)
        if kind == "sh":
            run_shell(block)
        else:
            exec(compile(block, page, "exec"), names)
        printed = without_numbers("".join(capfd.readouterr()))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory of a reader, with the sample as `rows.tsv` and a few of its rows."""
    monkeypatch.chdir(tmp_path)
    columns = open_corpus("sample", languages=LANGUAGES).first_cells(10_000)
    rows = zip(*columns.values(), strict=True)
    lines = ["\t".join(columns), *("\t".join(map(str, row)) for row in rows)]
    for name, n_rows in {"few.tsv": N_ROWS, "rows.tsv": len(lines)}.items():
        text = "".join(f"{line}\n" for line in lines[: n_rows + 1])
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_one_after_another(page, folder, capfd):
    run_page(page, capfd, {**SMALLER, **OFFLINE})


@pytest.mark.fuzz
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_as_they_stand(page, folder, capfd):
    run_page(page, capfd, OFFLINE)


def test_a_block_that_shows_what_is_not_printed_fails(folder, capfd, monkeypatch):
    (folder / "page.md").write_text("```sh\necho 12 rows\n```\n```text\n13 rows\nno\n```\n")
    monkeypatch.setattr("tests.test_pages.ROOT", folder)
    with pytest.raises(AssertionError, match="shows what is not printed: N rows"):
        run_page("page.md", capfd, {})


def test_every_tutorial_has_blocks_that_run():
    assert {page: len(blocks(page)) > 1 for page in PAGES[1:]} == dict.fromkeys(PAGES[1:], True)


def test_the_tables_of_the_study_are_those_that_are_kept():
    page = (ROOT / "docs" / "results-tables.md").read_text(encoding="utf-8")
    assert study_tables.tables().strip() in page
