"""The record of a run, `run.json`: what was asked, with which versions and commit, written before the work starts.

A folder that holds a run is only gone on with, or replaced, when that was asked for.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hexapla
from hexapla.errors import InputError
from hexapla.runs.atomic import write_json

RUN = "run.json"
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
)


def versions() -> dict[str, str]:
    """Return the versions of all that a result can depend on, and the commit when run from a checkout."""
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


def write_run(out: Path, command: str, config: Mapping[str, Any], **facts: Any) -> None:
    """Write `run.json` into a folder, which is made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RUN, {"command": command, "config": config, **facts, "versions": versions()})


def read_record(folder: Path) -> dict[str, Any]:
    """Return the `run.json` of a folder, or nothing where there is none.

    Raises:
        InputError: It is damaged.
    """
    path = folder / RUN
    if not path.is_file():
        return {}
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is damaged: it is not JSON ({error}); run again what wrote it"
        ) from error
    if not isinstance(run, dict) or not isinstance(run.get("config", {}), dict):
        raise InputError(
            f"{path} is damaged: it is no JSON object with a config; run again what wrote it"
        )
    return run


def check_out(
    out: Path,
    command: str,
    config: Mapping[str, Any],
    *,
    done: str,
    resume: bool | None,
    overwrite: bool,
) -> bool:
    """Check that a run may use an output folder.

    Args:
        out: the folder.
        command: the stage that wants to write there.
        config: what this run is; a run is the same run when all of it is equal.
        done: the file that a finished run of this stage leaves.
        resume: go on with the same run; None if this stage cannot.
        overwrite: replace a run of this stage.

    Returns:
        Whether a finished run is there already (only with `resume`).

    Raises:
        InputError: the folder holds something that is not to be touched, or another run than the
            one to resume.
    """
    if resume and overwrite:
        raise InputError(
            "both --resume and --overwrite; the one goes on with the run in the folder, the other drops it"
        )
    check_folder_to_be(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        if resume:
            raise InputError(f"{out}: no run to resume here; leave --resume out to start one")
        return False
    before = _run_in(out, command)
    if overwrite:
        return False
    if not resume:
        state = "a finished" if (out / done).is_file() else "an unfinished"
        hint = "--overwrite replaces it"
        if resume is not None and not (out / done).is_file():
            hint = "--resume goes on with it, --overwrite drops it"
        raise InputError(f"{out}: holds {state} run; {hint}, or give another folder")
    keys = dict.fromkeys([*config, *before])
    changed = [key for key in keys if _shown(config.get(key)) != _shown(before.get(key))]
    if changed:
        was = ", ".join(
            f"{key} was {_shown(before.get(key))} and is {_shown(config.get(key))}"
            for key in changed[:5]
        )
        more = f", and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise InputError(
            f"{out}: holds another run ({was}{more}); give the same settings or another folder"
        )
    return (out / done).is_file()


def check_folder_to_be(out: Path) -> None:
    """Refuse an output folder that cannot be one.

    Raises:
        InputError: It is a file, or lies under one.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; the output must be a folder")
    for parent in out.absolute().parents:
        if parent.is_file():
            raise InputError(f"{out}: {parent} is a file; no folder can lie in it")


def check_apart(out: Path, inputs: Mapping[str, str | Path | None]) -> None:
    """Refuse an output folder that holds what the run is to be made of, and that replacing it would take along.

    Args:
        out: the folder.
        inputs: files and folders by what they are; what is no path on this machine (a Hub name)
            does not count.

    Raises:
        InputError: one of them is `out` or lies in it.
    """
    for name, path in inputs.items():
        if (
            path is not None
            and Path(path).exists()
            and Path(path).resolve().is_relative_to(out.resolve())
        ):
            raise InputError(f"{out}: holds the {name}, {path}; give another folder to write")


def _shown(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def clear(out: Path) -> None:
    """Remove what a run left in its folder; `check_out` has made sure that it is one."""
    if out.is_dir():
        shutil.rmtree(out)


def _run_in(out: Path, command: str) -> dict[str, Any]:
    refusal = (
        f"{out}: not empty, and what it holds is no run of hexapla {command}; give another folder"
    )
    try:
        run = json.loads((out / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(refusal) from error
    if (
        not isinstance(run, dict)
        or run.get("command") != command
        or not isinstance(run.get("config"), dict)
    ):
        raise InputError(refusal)
    return dict(run["config"])
