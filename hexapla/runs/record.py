"""The record of a run, `run.json`: its settings, versions and commit, written before work starts.

A run is one execution of a command, and its folder is where the command writes. A folder that holds
a run is resumed or replaced only if that was asked for.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hexapla
from hexapla.errors import InputError
from hexapla.runs.atomic import write_json
from hexapla.runs.foreign_files import is_hidden
from hexapla.runs.lock import check_unlocked
from hexapla.runs.schema import OPTIONAL, Stored, read_object

RUN_FILE = "run.json"
_PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "datasets",
    "accelerate",
    "pyarrow",
    "numpy",
    "scikit-learn",
    "scipy",
    "ctranslate2",
    "sentencepiece",
    "sentencex",
    "py3langid",
    "rapidfuzz",
    "rensa",
    "onnx",
    "onnxruntime",
    "openvino",
    "nncf",
    "model2vec",
)
_MAX_CHANGES = 5


def versions() -> dict[str, str]:
    """Return the versions of everything that a result can depend on, as of the first call.

    In a checkout, the commit is among them. No library is imported for this.
    """
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str]:
    # Kept, since a process goes on with the code that it has loaded, and a run writes several.
    found = {
        "hexapla": hexapla.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    source = Path(hexapla.__file__).parent.parent
    if (source / ".git").exists():
        with contextlib.suppress(OSError):
            shown = subprocess.run(
                ["git", "-C", str(source), "describe", "--always", "--dirty"],
                capture_output=True,
                text=True,
                check=False,
            )
            found["commit"] = shown.stdout.strip()
    return found


def write_record(folder: Path, command: str, config: Mapping[str, Any], **facts: Any) -> None:
    """Write the record of a run into its folder, which is made if it does not exist.

    Args:
        folder: The folder.
        command: The command that runs, such as "align".
        config: The settings that make it this run; see `check_run_folder`.
        **facts: Further facts, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = {"command": command, "config": config, **facts, "versions": versions()}
    write_json(folder / RUN_FILE, record)


class RunRecord(Stored):
    """What every command reads of a record."""

    command: str = OPTIONAL
    config: dict[str, Any] = OPTIONAL


def read_record(folder: Path, schema: type[RunRecord] = RunRecord) -> dict[str, Any]:
    """Return the record in a folder, or an empty one if there is none.

    Args:
        folder: The folder.
        schema: What the record must be, for what a command reads of it.

    Raises:
        InputError: The record is damaged.
    """
    path = folder / RUN_FILE
    return read_object(path, schema, "run again what wrote it") if path.is_file() else {}


def check_run_folder(
    folder: Path,
    command: str,
    config: Mapping[str, Any],
    *,
    done: str,
    resume: bool | None,
    overwrite: bool,
) -> bool:
    """Check that a run may use an output folder.

    Args:
        folder: The folder.
        command: The command that is to write there.
        config: What identifies the run; it is the same run only if all of this is equal.
        done: Name of the file that a finished run of this command leaves.
        resume: Continue the same run; None if this command cannot.
        overwrite: Replace a run of this command.

    Returns:
        Whether a finished run is there already, which can be so only with `resume`.

    Raises:
        InputError: The folder holds something that must not be touched, or another run than the one
            to resume.
    """
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other")
    check_folder_to_be(folder)
    if not folder.exists() or all(is_hidden(path.name) for path in folder.iterdir()):
        if resume:
            raise InputError(f"{folder}: no run to resume here; leave --resume out to start one")
        return False
    before = _config_in(folder, command)
    if overwrite:
        return False
    is_finished = (folder / done).is_file()
    if not resume:
        check_unlocked(folder)  # if another run is at work there, that is what is wrong
        raise InputError(_in_use(folder, is_finished=is_finished, resumable=resume is not None))
    _refuse_another_run(folder, config, before)
    return is_finished


def _in_use(folder: Path, *, is_finished: bool, resumable: bool) -> str:
    ways = "--overwrite replaces it"
    if resumable and not is_finished:
        ways = "--resume continues it, --overwrite replaces it"
    state = "a finished" if is_finished else "an unfinished"
    return f"{folder}: holds {state} run; {ways}, or give another folder"


def _refuse_another_run(folder: Path, config: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    keys = dict.fromkeys([*config, *before])
    changes = [
        f"{key} was {_shown(before.get(key))} and is {_shown(config.get(key))}"
        for key in keys
        if _shown(config.get(key)) != _shown(before.get(key))
    ]
    if not changes:
        return
    n_more = len(changes) - _MAX_CHANGES
    more = f", and {n_more} more" if n_more > 0 else ""
    raise InputError(
        f"{folder}: holds another run ({', '.join(changes[:_MAX_CHANGES])}{more}); "
        "give the same settings or another folder"
    )


def check_folder_to_be(out: Path) -> None:
    """Refuse a path at which no output folder can be made.

    Raises:
        InputError: It is a file, lies under one, or is a link that leads back to itself.
    """
    try:
        out.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(
                f"{out}: a link leads back to itself; give a file or folder"
            ) from error
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; the output must be a folder")
    for parent in out.absolute().parents:
        if parent.is_file():
            raise InputError(f"{out}: {parent} is a file; no folder can lie in it")


def check_apart(out: Path, inputs: Mapping[str, str | Path | None], *, inside: bool = True) -> None:
    """Refuse an output that is an input of the run, or a folder that holds one.

    Links and other spellings of a path are seen through.

    Args:
        out: The file or folder to write.
        inputs: Files and folders by what they are, such as "corpus". A name that is no path on this
            machine (of the Hub) is ignored.
        inside: Allow an output that lies in a folder that is read.

    Raises:
        InputError: One of them is `out`, or lies in it, or holds it where that is not allowed.
    """
    for name, given in inputs.items():
        if given is None or (isinstance(given, str) and not os.path.exists(given)):
            continue
        path = Path(given)
        if path.is_file() and _is_same(path, out):
            raise InputError(f"{out}: is the {name}, {path}; give another path to write (--out)")
        if _is_same(path, out) or _lies_in(path, out):
            raise InputError(f"{out}: holds the {name}, {path}; give another folder to write")
        if not inside and _lies_in(out, path):
            raise InputError(f"{out}: lies in the {name}, {path}; give another path to write")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return one.resolve() == other.resolve()


def _lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path lies in a folder, as it is written or as links lead."""
    parents = {*path.absolute().parents, *path.resolve().parents}
    return any(_is_same(parent, folder) for parent in parents)


def _shown(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _config_in(folder: Path, command: str) -> dict[str, Any]:
    """Return the config of the run in a folder that is not empty.

    Raises:
        InputError: The folder holds something else than a run of this command.
    """
    refusal = (
        f"{folder}: not empty, and what it holds is no run of hexapla {command}; "
        "give another folder"
    )
    try:
        record = read_record(folder)
    except InputError as error:
        raise InputError(refusal) from error
    if record.get("command") != command or "config" not in record:
        raise InputError(refusal)
    return dict(record["config"])
