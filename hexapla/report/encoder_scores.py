"""Encoders among the runs of a comparison -> folders of their scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.alignment_record import base_of, read_alignment
from hexapla.encoder.locate import RESULT, cached_folder, is_encoder, is_hub_name, locate
from hexapla.errors import InputError
from hexapla.evaluation.scores import SCORES_FILE
from hexapla.report.config import CompareConfig
from hexapla.runs.record import read_record
from hexapla.runs.user_cache import cache_folder

if TYPE_CHECKING:
    from hexapla.evaluation.config import EvaluateConfig

# What two evaluations must have in common to be compared.
_MEASURED = ("suite", "data", "languages", "pairs", "split", "held_out", "seed")
_log = logging.getLogger(__name__)


def score_folders(config: CompareConfig, *, quiet: bool = False) -> tuple[Path, ...]:
    """Evaluate the encoders among the runs, unless their scores are kept from before.

    All encoders are measured alike: on the data that are given, or as the first score folder was,
    or on the held-out rows of the first aligned encoder's corpus.

    Args:
        config: Settings of the comparison.
        quiet: Show no progress.

    Returns:
        A score folder or file for each run, in order. An aligned encoder that stands alone follows
        the encoder that it was aligned from.

    Raises:
        InputError: It is not known on what to evaluate, or an encoder cannot be evaluated.
    """
    is_encoders = [_is_encoder(path) for path in config.scores]
    if not any(is_encoders):
        if config.data or config.suite:
            raise InputError(
                "data or suite is given and no encoder; score folders are compared as they are, so "
                "leave --data and --suite out"
            )
        return config.scores
    # These import much, and torch when an encoder loads.
    from hexapla.evaluation.kept_scores import keep_scores

    encoders = [
        str(path) for path, is_one in zip(config.scores, is_encoders, strict=True) if is_one
    ]
    others = [path for path, is_one in zip(config.scores, is_encoders, strict=True) if not is_one]
    measured = _measured(config, encoders, others)
    runs = config.scores
    if len(runs) == 1 and (base := _base(encoders[0])):
        runs = (Path(base), *runs)
        encoders.append(base)
    # A base is measured with the prompt of the alignment, as the encoder made from it.
    prompts = {_base(name, warn=False): _alignment(name).get("prompt") for name in encoders}
    return tuple(
        keep_scores(_settings(str(path), measured, prompts.get(str(path)) or None), quiet=quiet)
        if str(path) in encoders
        else path
        for path in runs
    )


def _is_encoder(path: Path) -> bool:
    """Return whether a run is an encoder that is at hand, and not scores."""
    if (path / SCORES_FILE).is_file():
        return False
    name = str(path)
    return is_encoder(name) or (is_hub_name(name) and cached_folder(name) is not None)


def _alignment(encoder: str) -> dict[str, Any]:
    folder = locate(encoder)
    return {} if folder is None else read_alignment(folder / RESULT)


def _base(encoder: str, *, warn: bool = True) -> str | None:
    """Return the encoder that another was aligned from, if it is at hand."""
    folder = locate(encoder)
    base = None if folder is None else base_of(folder)
    if base is None or _is_encoder(Path(base)):
        return base
    if warn:
        _log.warning(
            "%s was aligned from %s, which is not at hand, so its scores are shown alone",
            encoder,
            base,
        )
    return None


def _settings(
    encoder: str, measured: Mapping[str, Any], prompt: str | None = None
) -> EvaluateConfig:
    from hexapla.evaluation.config import EvaluateConfig

    return EvaluateConfig(
        encoder=encoder, out=cache_folder(None) / "scores", prompt=prompt, **measured
    )


def _measured(
    config: CompareConfig, encoders: Sequence[str], scores: Sequence[Path]
) -> dict[str, Any]:
    """Return the settings that say what is measured.

    Raises:
        InputError: They are neither given nor known.
    """
    from hexapla.evaluation.known_corpus import fill_in_data

    if scores and not (config.data or config.suite):
        return _settings_of(scores[0])
    aligned = next((name for name in encoders if _alignment(name)), None)
    if aligned is None and not (config.data or config.suite):
        raise InputError(
            f"{', '.join(encoders)}: no encoder that hexapla aligned, so it is not known on what "
            "to compare; give rows (--data ROWS) or tasks of MTEB (--suite quick)"
        )
    given = {"data": config.data, "suite": config.suite}
    filled = fill_in_data(_settings(aligned or encoders[0], given))
    return {name: getattr(filled, name) for name in _MEASURED}


def _settings_of(scores: Path) -> dict[str, Any]:
    """Return how a score folder was measured.

    Raises:
        InputError: Its record does not tell.
    """
    folder = scores if scores.is_dir() else scores.parent
    recorded = read_record(folder).get("config", {})
    if "suite" not in recorded:
        raise InputError(
            f"{scores} has no record of its evaluation to evaluate the encoders in the same way; "
            "give the data (--data) and the suite (--suite)"
        )
    known = {name: recorded[name] for name in _MEASURED if recorded.get(name) is not None}
    if known.get("split") == "all":
        known.pop("held_out", None)
    if known.get("languages"):
        known["languages"] = tuple(known["languages"])
    return known
