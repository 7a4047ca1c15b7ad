"""Anything that loads as a sentence encoder -> a SentenceTransformer, checked first; texts -> unit vectors.

An encoder is a Hub name (`org/name`, or `org/name@revision`), a folder (sentence-transformers' or a
bare transformer's) or the word `tiny`, which is the one that the package carries. What a folder
would run or unpickle is looked at before anything of it is loaded.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hexapla.encoder.config import Pooling
from hexapla.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

Task = Literal[
    "BitextMining", "STS", "Classification"
]  # MTEB's names, which are also the keys of saved prompts
TINY = "tiny"
RESULT = "align.json"  # written last into an encoder folder by `align`
MERGED = "merge.json"  # written last by `merge`, beside the other

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_NOT_WEIGHTS = ("training_args.bin", "optimizer.pt", "scheduler.pt", "scaler.pt")
_RECORDS = (RESULT, MERGED, "run.json", *_NOT_WEIGHTS)
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_E5 = re.compile(r"(^|[-_/])e5(-|_|$)", re.IGNORECASE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EncoderFacts:
    """What is known of an encoder without loading it.

    `regime`, `corpus`, `seed` and `languages` (the columns of alignment training) are None and
    empty for an encoder that `hexapla align` did not make. `sha256` is over the folder's weights,
    tokenizer and configuration; for a name on the Hub it is the commit. `training` is what `align`
    wrote of its run: budget, rows and sentences seen, losses.
    """

    name: str
    sha256: str
    regime: str | None
    corpus: str | None
    seed: int | None
    languages: tuple[str, ...]
    training: Mapping[str, Any] = field(default_factory=dict)


def locate(name: str | Path) -> Path | None:
    """Return the folder of an encoder, or None for a name that can only be the Hub's.

    Raises:
        InputError: the folder is missing, or the name is neither a folder nor of the Hub's form.
    """
    if str(name) == TINY:
        return Path(str(resources.files("hexapla") / "data" / "tiny"))
    path = Path(name)
    if path.is_dir():
        if not (path / "modules.json").is_file() and not (path / "config.json").is_file():
            raise InputError(
                f"{path}: no encoder in this folder; it has neither modules.json nor config.json"
            )
        return path
    looks_local = (
        str(name).startswith((".", "/", "~")) or str(name).partition("@")[0].count("/") > 1
    )
    if looks_local or path.exists() or not _HUB_NAME.fullmatch(str(name)):
        raise InputError(
            f'{name}: no such encoder folder; give a folder, a Hub name such as "org/name", or "{TINY}"'
        )
    return None


def cached(name: str) -> Path | None:
    """Return the folder in the Hub's cache where an encoder's configuration lies, or None; the Hub is not asked."""
    from huggingface_hub import try_to_load_from_cache

    repository, revision = _split(name)
    found = try_to_load_from_cache(repository, "config.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def check_folder(
    folder: Path, *, trust_remote_code: bool = False, allow_pickle: bool = False
) -> None:
    """Refuse a folder that would run code of its own or unpickle weights, unless that was asked for.

    Raises:
        InputError: it wants remote code, has only pickled weights, or has no weights at all.
    """
    if not trust_remote_code:
        for config in sorted(folder.rglob("*config*.json")):
            if _json(config).get("auto_map"):
                raise InputError(
                    f"{config}: asks to run the folder's own code (auto_map); "
                    "read that code, then set trust_remote_code (--trust-remote-code)"
                )
        for module in _modules(folder):
            if not module.get("type", "").startswith("sentence_transformers."):
                raise InputError(
                    f'{folder / "modules.json"}: module "{module.get("type")}" is not of sentence-transformers; '
                    "read that code, then set trust_remote_code (--trust-remote-code)"
                )
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "checkpoints" not in path.parts
    ]
    safe = {path.parent for path in files if path.suffix == ".safetensors"}
    pickled = [path for path in files if path.suffix in _PICKLED and path.name not in _NOT_WEIGHTS]
    if not safe and not pickled:
        raise InputError(f"{folder}: no weights; an encoder folder holds model.safetensors")
    pickled = [
        path for path in pickled if path.parent not in safe
    ]  # beside safetensors they are not loaded
    if pickled and not allow_pickle:
        raise InputError(
            f"{pickled[0]}: pickled weights can run code when loaded; "
            "convert them to safetensors, or set allow_pickle (--allow-pickle)"
        )


def load_encoder(
    name: str | Path,
    *,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    max_tokens: int | None = None,
    pooling: Pooling | None = None,
) -> SentenceTransformer:
    """Load an encoder in float32; a bare transformer gets pooling and normalisation, and the log says so.

    Args:
        name: a Hub name, with "@revision" if need be, a folder, or "tiny".
        trust_remote_code: run the encoder's own code.
        allow_pickle: load weights other than safetensors.
        max_tokens: truncate texts to this many tokens instead of the encoder's own limit.
        pooling: of a bare transformer; by default the last token where attention is causal, else
            the mean.

    Raises:
        InputError: see `locate` and `check_folder`; or the Hub (or its local cache, when offline)
            does not have it.
    """
    folder = locate(name)
    source, revision = _split(str(name)) if folder is None else (str(folder), None)
    if folder is not None:
        check_folder(folder, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
    if max_tokens is not None and max_tokens < 3:
        raise InputError(
            f"max_tokens is {max_tokens}; it must be 3 or more, to hold a token between two special ones"
        )
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize
    from sentence_transformers.util import is_sentence_transformer_model

    model_kwargs: dict[str, object] = {"dtype": torch.float32}
    if not allow_pickle:
        model_kwargs["use_safetensors"] = True
    try:
        model = SentenceTransformer(
            source,
            revision=revision,
            trust_remote_code=trust_remote_code,
            model_kwargs=model_kwargs,
            local_files_only=folder is not None,
        )
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = (
            ""
            if folder
            else "; is the name right, the network there, and do its weights come as safetensors?"
        )
        raise InputError(f"{name}: could not be loaded as an encoder: {reason}{hint}") from error
    if not is_sentence_transformer_model(
        source, revision=revision, local_files_only=folder is not None
    ):
        model[1].pooling_mode = pooling or ("lasttoken" if _is_causal(model) else "mean")
        model.append(Normalize())
        _log.info(
            "%s is a bare transformer: %s pooling and normalisation added",
            name,
            model[1].pooling_mode,
        )
    elif pooling is not None:
        raise InputError(
            f"{name}: has its own pooling; leave --pooling out, which is for bare transformers"
        )
    for module in model:
        if isinstance(module, Dense) and module.module_input_name == "sentence_embedding":
            exact_dense(module)
    if max_tokens is not None:
        model.max_seq_length = min(max_tokens, model.max_seq_length or max_tokens)
    if _E5.search(Path(source).name) and not any(model.prompts.values()):
        save_prompt(model, "query: ")
        _log.info('%s is an E5 without saved prompts: "query: " goes in front of every text', name)
    return model


def exact_dense(module: Dense) -> Dense:
    """Have a linear layer at an encoder's end multiply in float32 under autocast too; return it.

    One that centres vectors in a narrow cone subtracts nearly all of them, and bfloat16 would leave
    rounding errors.
    """
    module.forward = functools.partial(_in_float32, module.forward)
    return module


def _in_float32(
    forward: Callable[[dict[str, Any]], dict[str, Any]], features: dict[str, Any]
) -> dict[str, Any]:
    import torch

    vectors = features["sentence_embedding"].float()
    with torch.autocast(vectors.device.type, enabled=False):
        return forward({**features, "sentence_embedding": vectors})


def _is_causal(model: SentenceTransformer) -> bool:
    """Say whether a token sees only those before it, so that the last one alone has seen the whole text."""
    return any(getattr(module, "is_causal", False) for module in model[0].auto_model.modules())


def encode(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    task: Task,
    batch_size: int = 64,
    show_progress: bool = False,
) -> np.ndarray:
    """Encode texts, equal ones once, with the prompt that the encoder saved for a task.

    Returns:
        (n, dim) float32 of unit length, in the order given.
    """
    import numpy as np

    distinct, place = np.unique(np.array(texts, dtype=object), return_inverse=True)
    vectors = model.encode(
        distinct.tolist(),
        prompt=model.prompts.get(task) or None,
        batch_size=batch_size,
        normalize_embeddings=True,
        convert_to_numpy=True,
        show_progress_bar=show_progress,
    )
    return np.asarray(vectors, dtype=np.float32)[place]


def training_prompt(model: SentenceTransformer) -> str:
    """Return the saved prompt that an encoder's texts need in front, "" for most."""
    return str(model.prompts.get("BitextMining") or model.prompts.get("query") or "")


def save_prompt(model: SentenceTransformer, prompt: str) -> None:
    """Save a prompt under MTEB's task types, since MTEB looks for none of "query" and "document" in these tasks."""
    if prompt or any(model.prompts.get(task) for task in get_args(Task)):
        model.prompts = {
            **model.prompts,
            "BitextMining": prompt,
            "STS": prompt,
            "Classification": prompt,
        }


def describe(name: str | Path) -> EncoderFacts:
    """Tell what is known of an encoder without loading its weights; of one on the Hub, only its commit is fetched.

    Raises:
        InputError: see `locate`; or the Hub (or its local cache, when offline) does not have it.
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
    digest = hashlib.sha256()
    kept = [
        path
        for path in folder.rglob("*")
        if path.suffix in (".safetensors", ".json", ".model", *_PICKLED)
    ]
    for path in sorted(kept):
        inside = path.relative_to(folder)
        if inside.parts[0] not in ("checkpoints", "logs") and path.name not in _RECORDS:
            digest.update(inside.as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    made = _json(folder / RESULT) if (folder / RESULT).is_file() else {}
    return EncoderFacts(
        name=TINY if str(name) == TINY else folder.resolve().name,
        sha256=digest.hexdigest(),
        regime=made.get("regime"),
        corpus=made.get("corpus"),
        seed=made.get("seed"),
        languages=tuple(made.get("languages", ())),
        training=made,
    )


def _hub_commit(name: str) -> str:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    given, revision = _split(name)
    for repository in [given] if "/" in given else [given, f"sentence-transformers/{given}"]:
        for file in ("config.json", "modules.json"):
            try:
                return Path(hf_hub_download(repository, file, revision=revision)).parent.name
            except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
                _log.debug("%s/%s: %s", repository, file, error)
    raise InputError(
        f"{name}: no such folder, and the Hub does not have it (nor its cache, when offline); "
        "is the name right, and the network there?"
    )


def _split(name: str) -> tuple[str, str | None]:
    """Return a Hub name's repository and its revision, None for the newest.

    >>> _split("org/name@v1"), _split("org/name")
    (('org/name', 'v1'), ('org/name', None))
    """
    repository, _, revision = name.partition("@")
    return repository, revision or None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON: {error}") from error
    return content if isinstance(content, dict) else {}


def _modules(folder: Path) -> list[dict[str, str]]:
    path = folder / "modules.json"
    if not path.is_file():
        return []
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON: {error}") from error
    return list(modules)
