"""Where an encoder is and what is known of it, without loading it.

An encoder is given as a Hub name (`org/name` or `org/name@revision`), as a folder of
sentence-transformers or of a bare transformer, as the word `tiny`, the encoder that the package
carries, or as `small`, which `hexapla fetch-encoder` makes. Nothing here imports torch, so a
mistake in a name is answered at once.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from hexapla.encoder.alignment_record import read_alignment
from hexapla.encoder.fetched import ORIGINAL, SMALL, index_hint, locate_fetched, parse_depth
from hexapla.errors import InputError, did_you_mean
from hexapla.runs.schema import read_foreign

TINY = "tiny"
RESULT = "align.json"  # `align` writes it last into an encoder folder
MERGED = "merge.json"  # `merge` writes it last, beside align.json
TRIMMED = "trim.json"  # `trim` writes it last
EXPORTED = "export.json"  # `export` writes it last
SWEEP = "sweep.json"  # alphas that an unfinished `merge` has measured; removed at its end

_CONFIGURATIONS = ("modules.json", "config.json")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
NOT_WEIGHTS = ("training_args.bin", "optimizer.pt", "scheduler.pt", "scaler.pt")
_RECORDS = (RESULT, MERGED, TRIMMED, EXPORTED, SWEEP, "run.json", *NOT_WEIGHTS)
# Of weights, configuration, tokenizer and an encoder's own code: all that vectors depend on.
_LOADED = (".safetensors", ".json", ".model", ".spm", ".vocab", ".tiktoken", ".py", *PICKLED)
_VOCABULARIES = ("vocab.txt", "merges.txt", "dict.txt", "bpe.codes")
_NOT_LOADED = ("checkpoints", "logs")
# Bytes. Such a file takes 50 ms to hash, so a change that follows gives it another time.
_LARGE = 64 * 2**20
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_E5 = ("multilingual-e5-small", "multilingual-e5-base", "multilingual-e5-large")  # of intfloat
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EncoderFacts:
    """What is known of an encoder without loading it.

    Attributes:
        name: The folder's name, or the Hub name as given.
        sha256: Hash of the folder's weights, tokenizer and configuration; the commit of an encoder
            on the Hub.
        regime: Regime of its alignment; None if `hexapla align` did not make it.
        corpus: Corpus of its alignment, or None.
        seed: Seed of its alignment, or None.
        languages: Columns of its alignment; empty if there was none.
        training: What `align` recorded of the run: budget, rows and sentences seen, losses.
    """

    name: str
    sha256: str
    regime: str | None
    corpus: str | None
    seed: int | None
    languages: tuple[str, ...]
    training: Mapping[str, Any] = field(default_factory=dict)


def is_encoder(name: str | Path) -> bool:
    """Return whether a name is `tiny`, `small`, or a folder that holds an encoder."""
    if str(name) == TINY or parse_depth(str(name)) is not None:
        return True
    return any((Path(name) / file).is_file() for file in _CONFIGURATIONS)


def is_hub_name(name: str) -> bool:
    """Return whether a name can only be one on the Hub: it is no path, and nothing lies there."""
    is_path = name.startswith((".", "/", "~"))
    return not is_path and not os.path.lexists(name) and bool(_HUB_NAME.fullmatch(name))


def locate(name: str | Path) -> Path | None:
    """Return the folder of an encoder, or None for a name that can only be on the Hub.

    Raises:
        InputError: The folder is missing or holds no encoder, the name has not the form of a Hub
            name or resembles another one, or the encoder `small` has not been fetched.
    """
    if str(name) == TINY:
        return Path(str(resources.files("hexapla") / "data" / TINY))
    fetched = locate_fetched(str(name))
    if fetched is not None:
        return fetched
    path = Path(name)
    if path.is_dir():
        if not is_encoder(path):
            raise InputError(
                f"{path}: no encoder in this folder; it has neither modules.json nor config.json"
            )
        return path
    is_local = str(name).startswith((".", "/", "~")) or str(name).partition("@")[0].count("/") > 1
    if is_local or path.exists() or not _HUB_NAME.fullmatch(str(name)):
        raise InputError(
            f'{name}: no such encoder folder; give a folder, a Hub name such as "org/name", '
            f'"{TINY}", or "{SMALL}"'
        )
    if (hint := _meant(str(name))) and cached_folder(str(name)) is None:
        raise InputError(f"{name}: no such encoder folder{hint}")
    return None


def _meant(name: str) -> str:
    """Return a hint to the encoder that a name without its organisation may mean, or "".

    The names of old encoders, such as xlm-roberta-base, have none on the Hub either.
    """
    given = split_revision(name)[0].lower()
    if "/" in given:
        return ""
    hint = did_you_mean(given, [word for word in (TINY, SMALL) if abs(len(word) - len(given)) < 3])
    if "e5" in given:
        hint = did_you_mean(given, _E5).replace('"', '"intfloat/', 1)
    if SMALL in hint:
        hint += f" (without the Hub: hexapla fetch-encoder {SMALL}, and give {SMALL})"
    return hint


def is_bare(name: str | Path, *, ask_hub: bool = True) -> bool:
    """Return whether an encoder is a bare transformer, without pooling.

    Args:
        name: As for `locate`.
        ask_hub: Ask the Hub for an encoder on it, and not its local cache alone.
    """
    folder = locate(name)
    if folder is not None:
        return not os.path.lexists(folder / "modules.json")
    return hub_file(str(name), "modules.json", ask_hub=ask_hub) is None


def _repositories(given: str) -> list[str]:
    """Return where the Hub may have an encoder: "all-MiniLM-L6-v2" is of sentence-transformers."""
    return [given] if "/" in given else [given, f"sentence-transformers/{given}"]


def cached_folder(name: str) -> Path | None:
    """Return the folder of an encoder in the Hub's cache, or None; the Hub is not asked."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    given, revision = split_revision(name)
    for repository in _repositories(given):
        try:
            path = try_to_load_from_cache(repository, "config.json", revision=revision)
        except HFValidationError:  # such a name cannot be on the Hub
            continue
        if isinstance(path, str):
            return Path(path).parent
    return None


def describe(name: str | Path) -> EncoderFacts:
    """Return what is known of an encoder; for one on the Hub only its commit is fetched.

    Raises:
        InputError: See `locate`; or the Hub, or its local cache when offline, does not have it.
    """
    folder = locate(name)
    if folder is None:
        return EncoderFacts(
            name=str(name),
            sha256=_hub_commit(str(name)),
            regime=None,
            corpus=None,
            seed=None,
            languages=(),
        )
    alignment = read_alignment(folder / RESULT)
    return EncoderFacts(
        name=TINY if str(name) == TINY else folder.resolve().name,
        sha256=hash_encoder(folder),
        regime=alignment.get("regime"),
        corpus=alignment.get("corpus"),
        seed=alignment.get("seed"),
        languages=tuple(alignment.get("languages", ())),
        training=alignment,
    )


def encoder_files(folder: Path) -> list[Path]:
    """Return the files of a folder that vectors depend on, sorted.

    Those are weights, configuration, tokenizer and code; records and the model card are not.

    Raises:
        InputError: Something with such a name is no file, as a link into nowhere is not.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        top = path.relative_to(folder).parts[0]
        if top in _NOT_LOADED or top.startswith(".") or path.name in _RECORDS:
            continue
        if path.suffix in _LOADED or path.name in _VOCABULARIES:
            if not path.is_file():
                raise InputError(f"{path} is no file; fetch the encoder again")
            found.append(path)
    return found


def hash_encoder(folder: Path) -> str:
    """Hash what vectors depend on, names included.

    Raises:
        InputError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for path in encoder_files(folder):
        digest.update(path.relative_to(folder).as_posix().encode(errors="surrogateescape"))
        try:
            digest.update(_hash_file(path))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def _hash_file(path: Path) -> bytes:
    status = path.stat()
    if status.st_size < _LARGE:
        return _digest(path)
    state = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _hash_large(path.resolve(), state)


@functools.lru_cache(maxsize=256)
def _hash_large(path: Path, state: tuple[int, ...]) -> bytes:
    """Hash a file once in a process: a stage describes an encoder, and then loads it."""
    return _digest(path)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _hub_commit(name: str) -> str:
    for file in ("config.json", "modules.json"):
        if path := hub_file(name, file):
            return path.parent.name
    where = "the Hub does not have it; check the name"
    if not hub_answers():
        where = (
            "the Hub does not have it in its cache on this machine and cannot be reached; check "
            "the name and the network"
        )
    hint = index_hint(name) if "/" in name else index_hint(ORIGINAL, called=ORIGINAL)
    raise InputError(f"{name}: no such folder, and {where}{hint}")


@functools.cache
def hub_answers() -> bool:
    """Return whether the Hub can be reached, after one attempt in each process.

    The Hub's client would try each file of an encoder again and again, for a minute.
    """
    from huggingface_hub import constants, get_session, is_offline_mode

    if is_offline_mode():
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # of the client's HTTP library, which depends on its version
        _log.debug("%s: %s", constants.ENDPOINT, error)
        return False
    return True


def hub_file(name: str, file: str, *, ask_hub: bool = True) -> Path | None:
    """Fetch a small file of an encoder on the Hub; None if the encoder or the file is not there."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    given, revision = split_revision(name)
    for repository in _repositories(given):
        try:
            return Path(
                hf_hub_download(
                    repository,
                    file,
                    revision=revision,
                    local_files_only=not (ask_hub and hub_answers()),
                )
            )
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
            _log.debug("%s/%s: %s", repository, file, error)
    return None


def split_revision(name: str) -> tuple[str, str | None]:
    """Split a Hub name into its repository and its revision, None for the newest.

    >>> split_revision("org/name@v1"), split_revision("org/name")
    (('org/name', 'v1'), ('org/name', None))
    """
    repository, _, revision = name.partition("@")
    return repository, revision or None


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file of an encoder folder; anything but an object counts as an empty one.

    Raises:
        InputError: The file is not readable as JSON.
    """
    content = read_foreign(path)
    return content if isinstance(content, dict) else {}


def read_modules(folder: Path) -> list[dict[str, str]]:
    """Read the modules of a sentence-transformers folder; a bare transformer has none.

    Raises:
        InputError: `modules.json` cannot be read, or does not list modules by type and path.
    """
    path = folder / "modules.json"
    if not os.path.lexists(path):
        return []
    modules = read_foreign(path)
    if not isinstance(modules, list) or not modules or not all(map(_is_module, modules)):
        raise InputError(
            f"{path} is damaged: it must list modules, each with the texts name, path and type, "
            "and paths inside the folder; fetch the encoder again"
        )
    return modules


def _is_module(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    values = [content.get(key) for key in ("name", "path", "type")]
    inside = Path(str(values[1]))
    return (
        all(isinstance(value, str) for value in values)
        and not inside.is_absolute()
        and ".." not in inside.parts
    )
