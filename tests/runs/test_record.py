"""What a run may do to the folder it is given, and that the record of a run costs no imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.runs.record import (
    RUN_FILE,
    check_apart,
    check_folder_to_be,
    check_run_folder,
    read_record,
    versions,
    write_record,
)

CONFIG = {"seed": 1, "corpus": "a"}


def check(folder: Path, config: dict[str, Any] = CONFIG, **settings: Any) -> bool:
    chosen: dict[str, Any] = {"done": "done.json", "resume": False, "overwrite": False} | settings
    return check_run_folder(folder, "align", config, **chosen)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of an unfinished run."""
    write_record(tmp_path / "run", "align", CONFIG, seed=1)
    return tmp_path / "run"


def test_a_new_or_empty_folder_may_be_used_but_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new", tmp_path / "empty"):
        assert check(folder) is False
        with pytest.raises(InputError, match="no run to resume here; leave --resume out to start"):
            check(folder, resume=True)


def test_resume_and_overwrite_exclude_each_other(run: Path) -> None:
    with pytest.raises(InputError, match=r"^--resume and --overwrite exclude each other$"):
        check(run, resume=True, overwrite=True)


def test_an_unfinished_run_names_both_ways_and_a_finished_one_only_overwrite(run: Path) -> None:
    with pytest.raises(
        InputError,
        match="holds an unfinished run; --resume continues it, --overwrite replaces it, or give",
    ):
        check(run)
    (run / "done.json").touch()
    with pytest.raises(InputError, match="holds a finished run; --overwrite replaces it, or give"):
        check(run)


def test_a_command_that_cannot_resume_does_not_offer_it(run: Path) -> None:
    with pytest.raises(InputError, match="holds an unfinished run; --overwrite replaces it, or"):
        check(run, resume=None)


def test_the_same_run_is_resumed_and_says_whether_it_is_finished(run: Path) -> None:
    assert check(run, resume=True) is False
    (run / "done.json").touch()
    assert check(run, resume=True) is True
    assert check(run, overwrite=True) is False


def test_another_run_is_not_resumed_and_its_first_five_changes_are_named(run: Path) -> None:
    with pytest.raises(
        InputError, match=r'holds another run \(seed was 1 and is 2, corpus was "a" and is null\); '
    ):
        check(run, {"seed": 2}, resume=True)
    many = CONFIG | {f"key{i}": i for i in range(7)}
    with pytest.raises(InputError, match=r"key4 was null and is 4, and 2 more\); give the same"):
        check(run, many, resume=True)


@pytest.mark.parametrize("content", ['{"command": "mine", "config": {}}', "[]", "{"])
def test_what_is_no_run_of_the_command_is_never_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / RUN_FILE).write_text(content)
    with pytest.raises(InputError, match="what it holds is no run of hexapla align; give another"):
        check(tmp_path, overwrite=True)


def test_a_folder_cannot_be_a_file_or_lie_in_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file; the output must be a folder"):
        check_folder_to_be(tmp_path / "file")
    with pytest.raises(InputError, match="file is a file; no folder can lie in it"):
        check_folder_to_be(tmp_path / "file" / "deep" / "out")


def test_an_output_folder_must_not_hold_an_input(tmp_path: Path) -> None:
    (tmp_path / "out" / "corpus").mkdir(parents=True)
    check_apart(tmp_path / "out", {"encoder": "org/name", "corpus": None, "data": tmp_path})
    with pytest.raises(InputError, match=r"holds the corpus, .*; give another folder to write"):
        check_apart(tmp_path / "out", {"corpus": tmp_path / "out" / "corpus"})


def test_the_record_is_what_was_written(run: Path, tmp_path: Path) -> None:
    record = read_record(run)
    assert (record["command"], record["config"], record["seed"]) == ("align", CONFIG, 1)
    assert record["versions"] == versions()
    assert read_record(tmp_path / "nowhere") == {}
    (run / RUN_FILE).write_text(json.dumps({"config": []}))
    with pytest.raises(InputError, match=r"is damaged: config is \[\]; it must be an object"):
        read_record(run)


def test_versions_are_looked_up_once_and_a_caller_may_change_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = versions()
    monkeypatch.setattr("hexapla.runs.record.subprocess.run", pytest.fail)
    versions().pop("python")
    assert versions() == before


def test_reading_the_versions_imports_no_library() -> None:
    code = (
        "import sys\nfrom hexapla.runs.record import versions\n"
        "known = versions()\nassert 'torch' in known and 'pyarrow' in known, known\n"
        "print([m for m in ('torch', 'numpy', 'pyarrow', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
