"""The settings of a merge -> all that can be known and refused before an encoder is loaded.

Nothing here imports torch. What only loaded encoders show is compared in `encoder_difference`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.corpus.reader import Corpus, open_to_search
from hexapla.encoder.alignment_record import CARD_KEYS, AlignRun, read_alignment
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.config import MAX_HELD_OUT_ROWS
from hexapla.encoder.locate import MERGED, RESULT, EncoderFacts, describe
from hexapla.errors import InputError
from hexapla.evaluation.tasks.judged_pairs import JudgedPairs, read_pairs
from hexapla.merge.config import MergeConfig
from hexapla.merge.encoder_difference import folder_difference
from hexapla.runs.record import RUN_FILE, check_apart, check_run_folder, read_record
from hexapla.runs.settings import identity

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CheckedMerge:
    """Two encoders whose files allow a merge, and the rows that judge a mixture.

    Attributes:
        base: What is known of the base.
        aligned: What is known of the aligned encoder.
        alignment: The aligned encoder's `align.json`.
        corpus: The part of the corpus to judge by.
        columns: The cells of its first rows, at most `MAX_HELD_OUT_ROWS`, by language, the pivot
            first.
        held_out: Share of the rows that were held out; 0 if all rows judge.
        origin: What alignment used these rows for, to end "1000 rows" with.
        judged: Judged pairs in the pivot's language, or None.
        identity: Settings and hashes that make this merge the same one when it is resumed.
    """

    base: EncoderFacts
    aligned: EncoderFacts
    alignment: dict[str, Any]
    corpus: Corpus
    columns: Mapping[str, Sequence[str | None]]
    held_out: float
    origin: str
    judged: JudgedPairs | None
    identity: dict[str, Any]

    @property
    def n_rows(self) -> int:
        """Number of rows that judge."""
        return len(self.columns[self.corpus.pivot])

    @property
    def pivots(self) -> list[str]:
        """The pivot texts of these rows; every row has one."""
        return [text for text in self.columns[self.corpus.pivot] if text is not None]


def check_merge(config: MergeConfig) -> CheckedMerge:
    """Check encoders, corpus, judged pairs and output folder against the settings.

    Raises:
        InputError: One of them cannot be used.
    """
    base, aligned, alignment, recorded = _check_encoders(config)
    judged = read_pairs(config.sts) if config.sts else None
    whole = open_to_search(config.corpus, config.languages)
    held_out = recorded if config.held_out is None else config.held_out
    corpus = whole.split(held_out)[1] if held_out else whole
    columns = _read_columns(config, corpus, held_out)
    run = {
        **identity(config),
        "held_out": held_out,
        "base_sha256": base.sha256,
        "aligned_sha256": aligned.sha256,
        "corpus_sha256": corpus.sha256,
        "sts_sha256": judged.data_sha if judged else None,
    }
    check_merge_folder(config, run)
    return CheckedMerge(
        base=base,
        aligned=aligned,
        alignment=alignment,
        corpus=corpus,
        columns=columns,
        held_out=held_out,
        origin=_origin(config, whole, alignment, held_out, recorded),
        judged=judged,
        identity=run,
    )


def mismatch_message(config: MergeConfig, difference: str) -> str:
    """Return the message for two encoders that differ in what a merge needs equal."""
    return (
        f"{config.base} and {config.aligned} cannot be merged: {difference}; "
        "give an encoder and the one that was aligned from it"
    )


def _check_encoders(
    config: MergeConfig,
) -> tuple[EncoderFacts, EncoderFacts, dict[str, Any], float]:
    """Return what is known of both encoders, `align.json`, and the share of rows held out."""
    folders = {
        name: check_encoder(
            encoder,
            trust_remote_code=config.trust_remote_code,
            allow_pickle=config.allow_pickle,
        )
        for name, encoder in (("base", config.base), ("aligned", config.aligned))
    }
    inputs = {f"{name} encoder": folder for name, folder in folders.items()}
    check_apart(config.out, {**inputs, "corpus": config.corpus, "judged pairs": config.sts})
    # Whether a run in the folder is the one to resume is known only when the corpus is open.
    if not config.resume:
        check_merge_folder(config, {})
    alignment, recorded = _read_alignment(config.aligned, folders["aligned"])
    base, aligned = describe(config.base), describe(config.aligned)
    if base.sha256 == aligned.sha256:
        raise InputError(
            f"{config.base} and {config.aligned} are the same encoder (SHA-256 "
            f"{base.sha256[:16]}); give the base and the encoder that was aligned from it"
        )
    if folders["base"] and folders["aligned"]:
        difference = folder_difference(folders["base"], folders["aligned"])
        if difference is not None:
            raise InputError(mismatch_message(config, difference))
    if alignment["base_sha256"] != base.sha256:
        _log.warning(
            "%s was aligned from %s (SHA-256 %s), and the base given is %s (SHA-256 %s)",
            config.aligned,
            alignment["base"],
            alignment["base_sha256"][:16],
            base.name,
            base.sha256[:16],
        )
    return base, aligned, alignment, recorded


def check_merge_folder(config: MergeConfig, run: Mapping[str, Any]) -> bool:
    """Return whether the output folder holds the finished merge of these settings already.

    Raises:
        InputError: The folder cannot be used.
    """
    return check_run_folder(
        config.out, "merge", run, done=MERGED, resume=config.resume, overwrite=config.overwrite
    )


def _read_alignment(name: str, folder: Path | None) -> tuple[dict[str, Any], float]:
    """Return an encoder's `align.json`, and the share of rows it held out, 0 if not known."""
    if folder is None or not (folder / RESULT).is_file():
        raise InputError(
            f"{name}: has no {RESULT}; give the folder of an encoder that hexapla align made"
        )
    alignment = read_alignment(folder / RESULT, CARD_KEYS)
    if "merged" in alignment:
        raise InputError(f"{name}: is merged already; give the encoder that hexapla align made")
    if alignment.get("whiten", "none") != "none":
        raise InputError(
            f"{name}: was whitened in alignment, which added a layer that its base lacks; "
            "align it without (--whiten none) to merge it"
        )
    held_out = read_record(folder, AlignRun).get("config", {}).get("held_out")
    if held_out is None:
        _log.info("%s: does not say which rows were held out", folder / RUN_FILE)
    return alignment, held_out or 0.0


def _read_columns(
    config: MergeConfig, corpus: Corpus, held_out: float
) -> dict[str, list[str | None]]:
    """Read the rows that judge, and refuse too few rows or cells to search among."""
    # Two texts have one cosine, and one cosine cannot be ranked.
    min_rows = 2 if config.sts else 3
    if len(corpus) < min_rows:
        part = f"held_out {held_out:g} leaves" if held_out else "has"
        raise InputError(
            f"{config.corpus}: {part} {len(corpus)} rows to judge by; {min_rows} or more are "
            "needed, so give a larger share (--held-out), or more rows"
        )
    columns = corpus.first_cells(MAX_HELD_OUT_ROWS)
    for language, cells in columns.items():
        if (n_cells := sum(cell is not None for cell in cells)) < 2:
            raise InputError(
                f"{config.corpus}: {language} has {n_cells} cells in the {len(cells)} rows to "
                "judge by; 2 or more are needed, so leave it out of the languages (--languages)"
            )
    return columns


def _origin(
    config: MergeConfig,
    whole: Corpus,
    alignment: Mapping[str, Any],
    held_out: float,
    recorded: float,
) -> str:
    """Say what alignment used the rows for, and warn if it may have trained on them."""
    if 0 < held_out <= recorded:
        return "held out of alignment"
    if config.held_out is not None and alignment["corpus"] != whole.name:
        return "of another corpus than alignment's"
    _log.warning(
        "%s: %s may have been trained on the rows that judge it%s",
        config.corpus,
        config.aligned,
        "" if held_out else ", which are all rows of the corpus",
    )
    return "perhaps trained on"
