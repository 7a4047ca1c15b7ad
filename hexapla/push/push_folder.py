"""A folder -> the files of it that are pushed, with a card and without paths of this machine.

Files that need no change are linked, so that nothing large is copied. What the commands of this
package did not write is left out, and so are checkpoints, logs, caches and rejected cells.
"""

from __future__ import annotations

import fnmatch
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import OWN
from hexapla.encoder.check_encoder import check_folder
from hexapla.encoder.locate import (
    EXPORTED,
    MERGED,
    PICKLED,
    RESULT,
    SWEEP,
    TRIMMED,
    encoder_files,
    hash_encoder,
    is_encoder,
)
from hexapla.encoder.save import ENCODER_FILES
from hexapla.errors import InputError
from hexapla.push.machine_paths import cleaned
from hexapla.runs.atomic import write_text
from hexapla.runs.record import RUN_FILE
from hexapla.text.special_files import refuse_special

Kind = Literal["model", "dataset"]

CARD = "README.md"
_LAST = (RESULT, MERGED, TRIMMED, EXPORTED)  # a command writes one of them last
_RECORDS = (*_LAST, RUN_FILE, MANIFEST)
_HASHED = (RESULT, TRIMMED)  # they hold the hash of the encoder's files
_GRAPHS = ("onnx/*", "openvino/*")
_NEVER = ("checkpoints", "logs", "rejected", SWEEP)
_MAX_TEXT = 10 * 2**20  # bytes of a record or configuration; a tokenizer is larger, and has no path


@dataclass(frozen=True, kw_only=True)
class PushFolder:
    """What is pushed.

    Attributes:
        kind: The Hub's word for what it is: an encoder is a model, a corpus a dataset.
        folder: The folder as it lies on this machine.
        files: The files to push, relative to it.
        left_out: Names of the files and folders that stay here.
    """

    kind: Kind
    folder: Path
    files: tuple[PurePosixPath, ...]
    left_out: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Size of the files, without a card that is to be made."""
        paths = [self.folder / file for file in self.files]
        return sum(path.stat().st_size for path in paths if path.is_file())

    @property
    def patterns(self) -> tuple[str, ...]:
        """What a command of this package writes; of an older push such files are removed."""
        own = OWN if self.kind == "dataset" else (*ENCODER_FILES, *_GRAPHS, EXPORTED)
        return tuple(name for name in own if name.partition("/")[0] not in _NEVER)


def open_to_push(folder: Path) -> PushFolder:
    """Check a folder, and choose its files.

    Raises:
        InputError: It is neither a finished encoder nor a finished corpus, or it is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give an encoder folder or a corpus folder")
    is_corpus = (folder / MANIFEST).is_file()
    if not is_corpus and not is_encoder(folder):
        raise InputError(
            f"{folder}: neither an encoder folder (modules.json or config.json) nor a corpus "
            f"folder ({MANIFEST}); give one of these"
        )
    for path in folder.rglob("*"):
        refuse_special(path)
    if is_corpus:
        open_corpus(folder)  # all shards are there, with the hashes that are promised
        return _choose(folder, "dataset")
    has_run = (folder / RUN_FILE).is_file()
    if has_run and not any((folder / name).is_file() for name in _LAST):
        raise InputError(f"{folder} is unfinished; finish it (--resume), and push it then")
    check_folder(folder, trust_remote_code=True)
    return _choose(folder, "model")


def _choose(folder: Path, kind: Kind) -> PushFolder:
    empty = PushFolder(kind=kind, folder=folder, files=(), left_out=())
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    loaded = {path.relative_to(folder) for path in encoder_files(folder)} if kind == "model" else {}
    chosen = [
        path
        for path in found
        if path.parts[0] not in _NEVER
        and not any(part.startswith(".") for part in path.parts)
        and path.suffix not in PICKLED
        and (path in loaded or any(_matches(path, pattern) for pattern in empty.patterns))
    ]
    left_out = dict.fromkeys(path.parts[0] for path in found if path not in chosen)
    return PushFolder(
        kind=kind,
        folder=folder,
        files=tuple(dict.fromkeys([PurePosixPath(CARD), *map(_posix, chosen)])),
        left_out=tuple(left_out),
    )


def _posix(path: Path) -> PurePosixPath:
    return PurePosixPath(path.as_posix())


def _matches(path: Path, pattern: str) -> bool:
    """Return whether a relative path is of a pattern, which has as many parts."""
    parts = pattern.split("/")
    return len(parts) == len(path.parts) and all(map(fnmatch.fnmatchcase, path.parts, parts))


@contextmanager
def folder_to_upload(chosen: PushFolder, card: str) -> Iterator[Path]:
    """Make a folder of links to the chosen files, with the card and clean records in place of some.

    Args:
        chosen: The files.
        card: The content of its README.md.
    """
    with tempfile.TemporaryDirectory(prefix="hexapla-push-") as made:
        beside = Path(made)
        is_changed = False
        for file in chosen.files:
            source, target = chosen.folder / file, beside / file
            target.parent.mkdir(parents=True, exist_ok=True)
            text = card if str(file) == CARD else _clean_text(source)
            if text is None:
                target.symlink_to(source.resolve())
            else:
                write_text(target, text)
                is_changed |= file.name not in (*_RECORDS, CARD)
        if chosen.kind == "model" and is_changed:
            _renew_hashes(chosen.folder, beside)
        yield beside


def _clean_text(path: Path) -> str | None:
    """Return what is to be pushed in place of a JSON file, None if that is the file itself."""
    if path.suffix != ".json" or path.stat().st_size > _MAX_TEXT:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        clean = cleaned(path.name, text, _RECORDS)
    except ValueError as error:
        raise InputError(f"{path} is damaged: it is not JSON ({error}); make it again") from error
    return None if clean == text else clean


def _renew_hashes(folder: Path, beside: Path) -> None:
    """Put the hash of changed files into the records that hold that of the files before."""
    before, after = hash_encoder(folder), hash_encoder(beside)
    for name in _HASHED:
        path = beside / name
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            if record.get("sha256") == before:
                path.unlink()  # it may be a link
                write_text(path, json.dumps({**record, "sha256": after}, indent=2) + "\n")
