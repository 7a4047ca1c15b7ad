"""The scores of an encoder, measured once and kept in a cache for later comparisons."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import re
from pathlib import Path

import hexapla
from hexapla.encoder.locate import describe
from hexapla.evaluation.check_evaluation import check_evaluation
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.data import read_data
from hexapla.evaluation.known_corpus import fill_in_data
from hexapla.evaluation.scores import SCORES_FILE
from hexapla.evaluation.stage import evaluate_on, run_identity
from hexapla.runs.record import RUN_FILE

_KEY_LENGTH = 16
_log = logging.getLogger(__name__)


def keep_scores(config: EvaluateConfig, *, quiet: bool = False) -> Path:
    """Evaluate an encoder unless its scores are kept already.

    Args:
        config: Settings with data and suite; `out` is the folder of all scores that are kept.
        quiet: Show no progress.

    Returns:
        The folder of the scores. Its name has a hash of the weights, the data, the settings and the
        version, so that other ones have another folder.

    Raises:
        InputError: As `evaluate`.
    """
    config = fill_in_data(config)
    check_evaluation(dataclasses.replace(config, out=config.out / "new"))
    facts = describe(config.encoder)
    data = read_data(config)
    identity = {**run_identity(config, facts, data), "version": hexapla.__version__}
    text = json.dumps(identity, sort_keys=True, default=str)
    name = re.sub(r"[^\w.-]+", "-", facts.name).strip(".-")[:60]
    key = hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]
    folder = config.out / f"{name}-{key}"
    if not (folder / SCORES_FILE).is_file():
        is_begun = (folder / RUN_FILE).is_file()
        evaluate_on(data, dataclasses.replace(config, out=folder, resume=is_begun), quiet=quiet)
    _log.info("%s: its scores are kept in %s", config.encoder, folder)
    return folder
