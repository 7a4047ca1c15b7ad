"""The checks of an evaluation that need neither torch nor mteb, so that mistakes show at once."""

from __future__ import annotations

from pathlib import Path

from hexapla.encoder.check_encoder import check_encoder
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.data import check_data
from hexapla.evaluation.scores import SCORES_FILE
from hexapla.runs.record import check_apart, check_run_folder, read_record


def check_evaluation(config: EvaluateConfig) -> None:
    """Check the output folder, the encoder, and that the data exist and have the languages.

    Raises:
        InputError: One of them cannot be used.
    """
    out = Path(config.out)
    inputs = {"encoder": config.encoder, "data": config.data, "corpus": config.corpus}
    check_apart(out, {**inputs, "folder of vectors": config.vectors})
    check_score_folder(config)
    check_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        has_pooling=config.pooling is not None,
    )
    check_data(config)


def check_score_folder(config: EvaluateConfig) -> None:
    """Check that the run may use the output folder, as far as the settings alone tell.

    Raises:
        InputError: It may not.
    """
    out = config.out
    # Whether a run in the folder is the one to resume is known only when the data are read.
    if not config.resume or not read_record(out):
        check_run_folder(
            out,
            "evaluate",
            {},
            done=SCORES_FILE,
            resume=config.resume,
            overwrite=config.overwrite,
        )
