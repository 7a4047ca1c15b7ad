"""The work folder of a corpus: one for each output, found and cleared after a kill."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hexapla.build import build
from hexapla.corpus import writer as corpus_writer
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.work_folder import open_work_folder, work_folder
from hexapla.corpus.writer import write_corpus
from hexapla.errors import InputError
from hexapla.filters import FilterConfig, filter_corpus
from hexapla.imports import ImportConfig, import_corpus
from hexapla.runs import atomic
from tests.fixtures.builds import toy_config, write_text
from tests.fixtures.toy_translator import CountingTranslator

LANGUAGES = ("eng_Latn", "deu_Latn")
ROWS: list[dict[str, object]] = [{code: f"{code} {i}" for code in LANGUAGES} for i in range(5)]
CALLS = ("rename", "replace", "link", "unlink", "rmdir", "mkdir")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def overwrite(out: Path) -> None:
    write_corpus(ROWS, out, languages=LANGUAGES, overwrite=True)


def killed(function: Callable[[], None], prepare: Callable[[], None] = lambda: None) -> bool:
    """Call a function in a fork of this process; return whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            prepare()
            function()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def kill_at(call: int) -> None:
    """End this process by SIGKILL before a call that changes files, counted from publishing on."""
    n_calls, publishing = 0, False

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            nonlocal n_calls
            n_calls += publishing
            if n_calls > call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return wrapper

    publish = corpus_writer._publish

    def begin(*args: object) -> None:
        nonlocal publishing
        publishing = True
        publish(*args)  # type: ignore[arg-type]

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    atomic.exchange = counted(atomic.exchange)  # type: ignore[assignment]
    corpus_writer._publish = begin


@pytest.mark.slow
@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_kill_at_any_call_of_a_replacement_loses_nothing(
    tmp_path: Path, can_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_exchange:
        monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # a kill does not need the disk
    absent = 0
    for call in range(100):
        out = tmp_path / str(call) / "out"
        write_corpus(ROWS[:2], out, languages=LANGUAGES)
        (out / "notes.txt").write_text("mine")
        was_killed = killed(lambda out=out: overwrite(out), lambda call=call: kill_at(call))
        if out.exists():
            assert (out / "notes.txt").read_text() == "mine"
            assert len(open_corpus(out)) in (2, 5)
        else:
            absent += 1
            with pytest.raises(InputError, match=r"older corpus is .*building/corpus\.replaced"):
                open_corpus(out)
            with pytest.raises(InputError, match="out is not empty"):
                write_corpus(ROWS, out, languages=LANGUAGES)
            assert len(open_corpus(out)) == 2, "the next command has put it back"
        overwrite(out)
        assert len(open_corpus(out)) == 5
        assert (out / "notes.txt").read_text() == "mine"
        assert names(out.parent) == ["out"]
        if not was_killed:
            break
    assert not was_killed and call > 8, "every call was reached"
    assert absent == (0 if can_exchange else 1)


def test_files_that_are_not_ours_are_kept_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    write_corpus(ROWS[:2], out, languages=LANGUAGES, rows_per_shard=1)
    (out / "run.json").write_text("{}")
    (out / "rejected").mkdir()
    (out / "rejected" / "deu_Latn.jsonl").write_text("")
    for name in ("notes.txt", ".gitattributes", "rejected/why.txt"):
        (out / name).write_text("mine")
    overwrite(out)
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == [
        *(".gitattributes", "README.md", "corpus.json", "notes.txt", "part-00000.parquet"),
        *("rejected", "rejected/why.txt"),
    ]
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.endswith(
        "out: kept what no hexapla command wrote: .gitattributes, notes.txt, rejected/why.txt"
    )


def test_a_failed_replacement_puts_the_old_corpus_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_corpus(ROWS[:2], out, languages=LANGUAGES)
    monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    rename = os.rename
    for name in ("out", "corpus"):

        def failing(source: Path, target: Path, *, name: str = name) -> None:
            if Path(source).name == name:
                raise KeyboardInterrupt("now")
            rename(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", failing)
            with pytest.raises(KeyboardInterrupt, match="now"):
                overwrite(out)
        assert len(open_corpus(out)) == 2 and names(tmp_path) == ["out"]


def test_an_older_corpus_is_not_put_over_what_has_taken_its_name(tmp_path: Path) -> None:
    write_corpus(ROWS[:2], tmp_path / "old", languages=LANGUAGES)
    work_folder(tmp_path / "out").mkdir()
    (tmp_path / "old").rename(work_folder(tmp_path / "out") / "corpus.replaced")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(InputError, match=r"corpus\.replaced is the older corpus .* move it"),
        open_work_folder(tmp_path / "out"),
    ):
        pass
    (tmp_path / "out" / "thesis.tex").unlink()
    with open_work_folder(tmp_path / "out"):
        pass
    assert len(open_corpus(tmp_path / "out")) == 2


def test_what_a_killed_command_left_is_removed_by_the_next_of_any_kind(tmp_path: Path) -> None:
    write_text(tmp_path)
    source = write_corpus(ROWS, tmp_path / "source", languages=LANGUAGES).path

    def dying() -> Iterator[dict[str, object]]:
        yield from ROWS
        os.kill(os.getpid(), signal.SIGKILL)

    def next_commands() -> Iterator[Callable[[Path], object]]:
        yield lambda out: build(toy_config(tmp_path, out=out), quiet=True)
        yield lambda out: write_corpus(ROWS, out, languages=LANGUAGES)
        yield lambda out: filter_corpus(
            FilterConfig(corpus=str(source), out=out, filters="none", near_duplicates=None),
            quiet=True,
        )
        yield lambda out: import_corpus(ImportConfig(files=(str(source),), out=out), quiet=True)

    for number, command in enumerate(next_commands()):
        out = tmp_path / "outs" / str(number)
        assert killed(lambda out=out: write_corpus(dying(), out, languages=LANGUAGES) and None)
        (work_folder(out) / "rejected").mkdir()
        (work_folder(out) / "join.sqlite").write_text("")
        with pytest.raises(InputError, match="is not finished: a command is writing it in"):
            open_corpus(out)
        command(out)
        assert names(tmp_path / "outs") == [str(n) for n in range(number + 1)]


def test_an_unfinished_build_is_not_touched_by_other_commands(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match="broken down"):
        build(toy_config(tmp_path, translator=CountingTranslator(fail_at=1)), quiet=True)
    before = names(tmp_path / "corpus.building")
    with pytest.raises(InputError, match=r"holds an unfinished build .* hexapla build --resume"):
        write_corpus(ROWS, tmp_path / "corpus", languages=LANGUAGES, overwrite=True)
    assert names(tmp_path / "corpus.building") == before
    build(toy_config(tmp_path, resume=True), quiet=True)
    assert names(tmp_path) == ["corpus", "text.txt"]


def test_a_folder_of_the_user_with_the_name_of_the_work_folder_is_not_cleared(
    tmp_path: Path,
) -> None:
    write_text(tmp_path)
    (tmp_path / "corpus.building").mkdir()
    (tmp_path / "corpus.building" / "plan.dwg").write_text("a house")
    with pytest.raises(InputError, match=r"holds plan\.dwg, which is not Hexapla's; move it"):
        write_corpus(ROWS, tmp_path / "corpus", languages=LANGUAGES)
    with pytest.raises(InputError, match="no run of hexapla build; give another folder"):
        build(toy_config(tmp_path), quiet=True)
    assert names(tmp_path / "corpus.building") == ["plan.dwg"]


def test_two_commands_with_one_output_exclude_each_other(tmp_path: Path) -> None:
    source = write_corpus(ROWS, tmp_path / "source", languages=LANGUAGES).path
    out = tmp_path / "out"
    write_text(tmp_path)
    with open_work_folder(out):
        for command in (
            lambda: build(toy_config(tmp_path, out=out), quiet=True),
            lambda: overwrite(out),
            lambda: filter_corpus(FilterConfig(corpus=str(source), out=out), quiet=True),
            lambda: import_corpus(ImportConfig(files=(str(source),), out=out), quiet=True),
        ):
            with pytest.raises(InputError, match=r"another run is writing here \(process"):
                command()
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize("kind", ["import", "filter"])
def test_ten_kills_at_random_moments_leave_nothing_after_the_next_run(
    tmp_path: Path, kind: str
) -> None:
    table = tmp_path / "in.tsv"
    lines = (f"This is sentence {i}.\tDas ist Satz {i}." for i in range(4000))
    table.write_text("\n".join(["eng_Latn\tdeu_Latn", *lines]) + "\n")
    out = tmp_path / "outs" / "out"

    def command(overwrite: bool) -> None:
        if kind == "import":
            import_corpus(
                ImportConfig(files=(str(table),), out=out, overwrite=overwrite), quiet=True
            )
        else:
            config = FilterConfig(
                corpus=str(table), out=out, overwrite=overwrite, filters="none", max_loss=1.0
            )
            filter_corpus(config, quiet=True)

    started = time.monotonic()
    command(overwrite=False)
    usual = time.monotonic() - started
    expected = contents(out)
    draw, n_killed, n_left = random.Random(0), 0, 0
    while n_killed < 10:
        child = os.fork()
        if child == 0:
            try:
                command(overwrite=True)
            finally:
                os._exit(0)
        time.sleep(draw.uniform(0, usual))
        os.kill(child, signal.SIGKILL)
        n_killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        n_left += names(out.parent) != ["out"]
        assert contents(out) == expected, "the older corpus or the new one, which are equal"
        command(overwrite=True)
        assert (names(out.parent), contents(out)) == (["out"], expected)
    print(f"{n_killed} kills, {n_left} of them left a work folder")
