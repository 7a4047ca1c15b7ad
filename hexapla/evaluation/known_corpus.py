"""What an aligned encoder's folder knows of the corpus of its training, so that nobody is asked.

`align.json` has the corpus's hash and the share of rows held out, `run.json` the place where it
was. The corpus is known by its content wherever it lies now.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.alignment_record import AlignRun, read_alignment
from hexapla.encoder.locate import RESULT, EncoderFacts, locate
from hexapla.errors import InputError
from hexapla.evaluation.config import EvaluateConfig
from hexapla.runs.record import read_record

_log = logging.getLogger(__name__)
_GIVE_ROWS = "give rows (--suite bitext --data ROWS) or tasks of MTEB (--suite quick)"


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The rows that an encoder was aligned on.

    Attributes:
        name: Name of the corpus.
        sha256: Hash of the rows that were trained on, with their columns.
        languages: These columns, the pivot first.
        share: Share of the corpus's rows that was held out.
        stopped: Held-out rows decided when training ended.
        places: Where the corpus was, as it was given and as an absolute path.
    """

    name: str
    sha256: str
    languages: tuple[str, ...] | None
    share: float
    stopped: bool
    places: tuple[str, ...]

    def open_at(self, source: str) -> Corpus:
        """Open a corpus with the columns and rows of the training, whether or not it is the same.

        Raises:
            InputError: See `open_corpus`.
        """
        return open_corpus(source, languages=self.languages).split(self.share)[0]

    def is_at(self, source: str) -> bool:
        """Return whether the corpus of the training lies somewhere."""
        try:
            return self.open_at(source).sha256 == self.sha256
        except InputError:
            return False


def read_training_rows(
    encoder: str | Path, training: Mapping[str, Any] | None = None
) -> TrainingRows | None:
    """Return what an encoder's folder says of its training rows, None if it was not aligned.

    Args:
        encoder: Name or folder.
        training: The content of `align.json`. By default it is read.
    """
    folder = locate(encoder)
    if training is None:
        training = read_alignment(folder / RESULT) if folder is not None else {}
    if training.get("corpus_sha256") is None:
        return None
    run = read_record(folder, AlignRun) if folder is not None else {}
    config = run.get("config", {})
    languages = config.get("languages") or training.get("languages")
    share = training.get("held_out_share", config.get("held_out"))
    return TrainingRows(
        name=str(training.get("corpus", "its corpus")),
        sha256=training["corpus_sha256"],
        languages=tuple(languages) if languages else None,
        share=float(share or 0.0),
        stopped=training.get("budget") == "converged",
        places=tuple(filter(None, [config.get("corpus"), run.get("corpus_path")])),
    )


def find_corpus(
    encoder: str | Path, facts: EncoderFacts, given: str | None = None
) -> Corpus | None:
    """Open the corpus that an encoder was aligned on: its training columns and rows.

    Args:
        encoder: Name or folder.
        facts: The result of `describe`.
        given: Where the corpus is now. By default where it was during alignment, if it is still
            there and unchanged.

    Returns:
        The corpus, or None if the encoder was not aligned, or if no corpus is given and the old one
        is gone or changed.

    Raises:
        InputError: The given corpus cannot be read, or the encoder was not aligned on it.
    """
    rows = read_training_rows(encoder, facts.training)
    if rows is None:
        if given is not None:
            raise InputError(
                f"{encoder}: was not aligned by hexapla, so it has no training corpus; "
                "leave --corpus out"
            )
        return None
    if given is None:
        # If it has moved or changed, reports say that contamination was not checked.
        place = next(filter(rows.is_at, rows.places), None)
        return None if place is None else rows.open_at(place)
    corpus = rows.open_at(given)
    if corpus.sha256 != rows.sha256:
        raise InputError(
            f"{given} has the hash {corpus.sha256[:8]} with {', '.join(corpus.languages)}, and "
            f"{encoder} was aligned on {facts.corpus} ({rows.sha256[:8]}); give the corpus of its "
            "alignment"
        )
    return corpus


def fill_in_data(config: EvaluateConfig) -> EvaluateConfig:
    """Return settings in which suite, data, split and share are given or known from the encoder.

    Raises:
        InputError: No suite is given, and the encoder has no corpus of which rows were held out; or
            a larger share is given than was held out.
    """
    rows = read_training_rows(config.encoder) if config.may_know_rows else None
    if not config.suite and config.data is None:
        config = dataclasses.replace(config, data=_known_place(config, rows))
    config = dataclasses.replace(config, suite=config.suite or "bitext")
    if rows is not None and config.has_own_rows and rows.is_at(str(config.data)):
        config = _with_known_share(config, rows)
    if config.split is None:
        is_asked = config.has_own_rows and config.held_out is not None
        return dataclasses.replace(config, split="held-out" if is_asked else "all")
    return config


def _known_place(config: EvaluateConfig, rows: TrainingRows | None) -> str:
    """Return where the corpus of an encoder's alignment is."""
    if rows is None:
        raise InputError(
            f"no suite, and {config.encoder} was not aligned by hexapla, so no corpus of it is "
            f"known; {_GIVE_ROWS}"
        )
    if not rows.share:
        raise _nothing_held_out(config, rows)
    place = next(filter(rows.is_at, rows.places), None)
    if place is None:
        where = rows.places[-1] if rows.places else "a place that is known"
        raise InputError(
            f"{config.encoder}: the corpus of its alignment, {rows.name} (SHA-256 "
            f"{rows.sha256[:16]}), is not at {where} any more, or has changed; say where it is "
            "(--data), or give another suite"
        )
    return place


def _with_known_share(config: EvaluateConfig, rows: TrainingRows) -> EvaluateConfig:
    """Return settings for the corpus of the alignment: its held-out rows, unless all are asked."""
    wanted = config.split or ("held-out" if rows.share or config.held_out else "all")
    if wanted == "all":
        _log.warning(
            "%s was trained on %s of %s; its scores there say little of others",
            config.encoder,
            "most rows" if rows.share else "all rows",
            rows.name,
        )
        return dataclasses.replace(config, split="all")
    if not rows.share:
        raise _nothing_held_out(config, rows)
    share = rows.share if config.held_out is None else config.held_out
    if share > rows.share:
        raise InputError(
            f"held_out is {share:g}, and training of {config.encoder} held out {rows.share:g} of "
            f"{rows.name}; the rows between were trained on, so give at most {rows.share:g} "
            "(--held-out), or leave it out"
        )
    if rows.stopped:
        _log.warning(
            "%s: its training stopped by these rows (budget converged), so its scores there are a "
            "little too high",
            config.encoder,
        )
    _log.info("%s: measured on the rows of %s that it did not see", config.encoder, rows.name)
    return dataclasses.replace(config, split="held-out", held_out=share)


def _nothing_held_out(config: EvaluateConfig, rows: TrainingRows) -> InputError:
    return InputError(
        f"{config.encoder}: was trained on all rows of {rows.name}, so it has none to be measured "
        f"on; {_GIVE_ROWS.replace('rows', 'other rows', 1)}"
    )
