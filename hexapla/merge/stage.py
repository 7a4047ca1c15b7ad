"""A base encoder + the one aligned from it -> the mixture of their weights that aligns best at no cost to the pivot.

Alignment buys retrieval across languages with some of what the base knew; a straight line between
the two weights often has points that keep most of both (WiSE-FT, Wortsman et al. 2022; LM-Cocktail,
Xiao et al. 2023). Each alpha of a list is judged on held-out rows of a corpus, and the one kept has
the best retrieval accuracy of those that lose nothing on the pivot. What "nothing" is,
`MergeConfig.tolerance` says.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import is_sentence_transformer_model

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.encoder_card import CARD_KEYS
from hexapla.encoder.config import MAX_HELD_OUT_ROWS
from hexapla.encoder.held_out import HeldOutAccuracy
from hexapla.encoder.load import load_encoder, training_prompt
from hexapla.encoder.locate import MERGED, RESULT, EncoderFacts, describe, locate
from hexapla.errors import InputError
from hexapla.evaluation.tasks.sts import Judged
from hexapla.merge.config import MergeConfig, parse_alphas
from hexapla.merge.interpolation import Interpolation, difference, folder_difference, not_finite
from hexapla.merge.pivot_quality import (
    Measure,
    agreement_with_base,
    agreement_with_scores,
    read_pairs,
)
from hexapla.runs.atomic import write_json
from hexapla.runs.record import RUN, check_apart, check_out, clear, write_run

__all__ = ["MergeConfig", "merge"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """Everything of a merge that can be known and checked before an encoder is loaded.

    `corpus` is the part of it to judge by, `rows` its first thousand rows, and `origin` what
    alignment made of them; `made` is the aligned encoder's `align.json`.
    """

    base: EncoderFacts
    aligned: EncoderFacts
    made: dict[str, Any]
    corpus: Corpus
    rows: Dataset
    held_out: float
    origin: str
    judged: Judged | None


def merge(config: MergeConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Mix an encoder with the one aligned from it, and keep the best mixture that loses nothing on the pivot.

    Two things are measured of every alpha. *Accuracy*: how often a held-out text finds its row
    among the others, between the pivot and each other column, both directions. The *pivot's value*:
    with `sts`, Spearman's correlation of its cosines with the scores; without, Spearman's
    correlation between the base's cosines and the mixture's, over all pairs of held-out pivot
    texts, so that it is 1 at alpha 0. An alpha qualifies if this value is at least that of alpha 0
    less `tolerance`. Of those that qualify the most accurate is kept, of equals the one whose pivot
    value is higher. Alpha 0 is always measured; where it was not asked for, it is kept only if
    nothing else qualifies.

    Args:
        config: settings.
        quiet: show no progress; there is none either when stderr is no terminal.

    Returns:
        What is in `merge.json`: the alpha kept, what it was chosen by, and the sweep.

    Raises:
        InputError: settings, corpus, encoders or output folder that cannot be used. Nothing is
            written then.
    """
    prepared = _prepare(config)
    started = time.monotonic()
    model, interpolation = _load(config, prepared)
    interpolation.set(0.0)
    pivots = list(prepared.rows[prepared.corpus.pivot])
    measure = (
        agreement_with_scores(prepared.judged)
        if prepared.judged
        else agreement_with_base(model, pivots)
    )
    if config.overwrite:
        clear(config.out)
    settings = {
        **dataclasses.asdict(config),
        "held_out": prepared.held_out,
        "base_sha256": prepared.base.sha256,
    }
    settings |= {"aligned_sha256": prepared.aligned.sha256, "corpus_sha256": prepared.corpus.sha256}
    write_run(config.out, "merge", settings)

    points = _sweep(config, prepared, model, interpolation, measure, quiet=quiet)
    kept = _best(points)
    if not kept["asked"]:
        _log.warning(
            "no alpha of %s qualifies: the weights that are kept are the base's, of alpha 0",
            config.alpha,
        )
    interpolation.set(kept["alpha"])
    result = _result(config, prepared, points, kept, time.monotonic() - started)
    _save(model, config.out, prepared.made, result)
    return result


def _prepare(config: MergeConfig) -> _Prepared:
    """Check encoders, corpus, judged pairs and output folder against the settings."""
    folders = {"base": locate(config.base), "aligned": locate(config.aligned)}
    inputs = {f"{name} encoder": folder for name, folder in folders.items()}
    check_apart(config.out, {**inputs, "corpus": config.corpus, "judged pairs": config.sts})
    check_out(config.out, "merge", {}, done=MERGED, resume=None, overwrite=config.overwrite)
    made, recorded = _alignment(config.aligned, folders["aligned"])
    base, aligned = describe(config.base), describe(config.aligned)
    if base.sha256 == aligned.sha256:
        raise InputError(
            f"{config.base} and {config.aligned} are the same encoder (SHA-256 {base.sha256[:16]}); "
            "give the base and what was aligned from it"
        )
    if (
        folders["base"]
        and folders["aligned"]
        and (found := folder_difference(folders["base"], folders["aligned"]))
    ):
        raise InputError(_differ(config, found))
    if made["base_sha256"] != base.sha256:
        _log.warning(
            "%s was aligned from %s (SHA-256 %s), and the base given is %s (SHA-256 %s)",
            config.aligned,
            made["base"],
            made["base_sha256"][:16],
            base.name,
            base.sha256[:16],
        )
    judged = read_pairs(config.sts) if config.sts else None

    whole = open_corpus(config.corpus, languages=config.languages)
    whole = dataclasses.replace(
        whole, languages=tuple(dict.fromkeys((whole.pivot, *whole.languages)))
    )
    if len(whole.languages) < 2:
        raise InputError(
            f"only {whole.pivot} is asked for; rows are found across two columns or more"
        )
    held_out = recorded if config.held_out is None else config.held_out
    corpus = whole.split(held_out)[1] if held_out else whole
    rows = _rows(config, corpus, held_out)
    if 0 < held_out <= recorded:
        origin = "held out of alignment"
    elif config.held_out is None or made["corpus"] == whole.name:
        origin = "perhaps trained on"
        _log.warning(
            "%s: %s may have been trained on the rows that judge it%s",
            config.corpus,
            config.aligned,
            "" if held_out else ", which are all rows of the corpus",
        )
    else:
        origin = "of another corpus than alignment's"
    return _Prepared(
        base=base,
        aligned=aligned,
        made=made,
        corpus=corpus,
        rows=rows,
        held_out=held_out,
        origin=origin,
        judged=judged,
    )


def _alignment(name: str, folder: Path | None) -> tuple[dict[str, Any], float]:
    """Return what `align` wrote of an encoder, and the share of the rows that it held out, 0 if that is not known."""
    if folder is None or not (folder / RESULT).is_file():
        raise InputError(
            f"{name}: has no {RESULT}; give the folder of an encoder that hexapla align made"
        )
    try:
        made = dict(json.loads((folder / RESULT).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise InputError(f"{folder / RESULT}: not readable as JSON: {error}") from error
    if missing := [key for key in CARD_KEYS if key not in made]:
        raise InputError(
            f"{folder / RESULT}: has no {', '.join(missing)}; give an encoder that hexapla align made"
        )
    if "merged" in made:
        raise InputError(f"{name}: is merged already; give the encoder that hexapla align made")
    if made.get("whiten", "none") != "none":
        raise InputError(
            f"{name}: was whitened in alignment, which put a layer at its end that its base lacks; "
            "align it without (--whiten none) to merge it"
        )
    try:
        return made, float(
            json.loads((folder / RUN).read_text(encoding="utf-8"))["config"]["held_out"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.info(
            "%s: does not say which rows were held out (%s: %s)",
            folder / RUN,
            type(error).__name__,
            error,
        )
        return made, 0.0


def _rows(config: MergeConfig, corpus: Corpus, held_out: float) -> Dataset:
    """Return the rows that judge, at most a thousand, and refuse what nothing could be found in."""
    least = 2 if config.sts else 3  # two texts have one cosine, and one cosine has no rank
    part = f"held_out {held_out:g} leaves" if held_out else "has"
    if len(corpus) < least:
        raise InputError(
            f"{config.corpus}: {part} {len(corpus)} rows to judge by; it takes {least} or more, "
            "so give a larger share (--held-out), or more rows"
        )
    rows = corpus.dataset()
    rows = rows.select(range(min(MAX_HELD_OUT_ROWS, len(rows))))
    for language in corpus.languages:
        if (n_cells := sum(cell is not None for cell in rows[language])) < 2:
            raise InputError(
                f"{config.corpus}: {language} has {n_cells} cells in the {len(rows)} rows to judge by; "
                "it takes 2 or more, so leave it out of the languages (--languages)"
            )
    return rows


def _load(config: MergeConfig, prepared: _Prepared) -> tuple[SentenceTransformer, Interpolation]:
    """Load both encoders; the aligned one stays, and takes the weights of every alpha."""
    loaded = []
    for name in (config.base, config.aligned):
        with torch.random.fork_rng():
            torch.manual_seed(
                0
            )  # what a bare base's file lacks, such as a pooler that is not used, is drawn alike
            model = load_encoder(
                name, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
            )
        if (broken := not_finite(model)) is not None:
            raise InputError(
                f"{name}: its weights are broken, {broken} holds a NaN or an infinity; "
                "give a sound encoder"
            )
        loaded.append(model)
    base, aligned = loaded
    folder = locate(config.base)
    bare = not is_sentence_transformer_model(
        str(folder or config.base), local_files_only=folder is not None
    )
    if found := difference(base, aligned, list(prepared.rows[prepared.corpus.pivot]), bare=bare):
        raise InputError(_differ(config, found))
    return aligned, Interpolation(base.state_dict(), aligned)


def _differ(config: MergeConfig, found: str) -> str:
    return (
        f"{config.base} and {config.aligned} cannot be merged: {found}; "
        "give an encoder and the one that was aligned from it"
    )


def _sweep(
    config: MergeConfig,
    prepared: _Prepared,
    model: SentenceTransformer,
    interpolation: Interpolation,
    measure: Measure,
    *,
    quiet: bool,
) -> list[dict[str, Any]]:
    """Measure every alpha, 0 first."""
    prompt = prepared.made.get("prompt")
    accuracy = HeldOutAccuracy(
        prepared.rows,
        prepared.corpus.languages,
        training_prompt(model) if prompt is None else prompt,
    )
    asked = parse_alphas(config.alpha)
    alphas = sorted({0.0, *asked})
    points: list[dict[str, Any]] = []
    console = Console(stderr=True)
    columns = (
        TextColumn("merging"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as progress:
        bar = progress.add_task("merging", total=len(alphas), rate="")
        started = time.monotonic()
        for alpha in alphas:
            interpolation.set(alpha)
            found, value = accuracy(model)[accuracy.primary_metric], measure(model)
            least = (points[0]["pivot"] if points else value) - float(config.tolerance or 0.0)
            points.append(
                {
                    "alpha": alpha,
                    "accuracy": found,
                    "pivot": value,
                    "loses_nothing": value >= least,
                    "asked": alpha in asked,
                }
            )
            progress.update(
                bar, advance=1, rate=f"{(time.monotonic() - started) / len(points):.1f} s each"
            )
    return points


def _best(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the point to keep; of equal ones the first, which is the nearest to the base."""
    able = [point for point in points if point["asked"] and point["loses_nothing"]]
    return max(able, key=lambda point: (point["accuracy"], point["pivot"]), default=points[0])


def _result(
    config: MergeConfig,
    prepared: _Prepared,
    points: list[dict[str, Any]],
    kept: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    return {
        "alpha": kept["alpha"],
        "base": prepared.base.name,
        "base_sha256": prepared.base.sha256,
        "aligned": prepared.aligned.name,
        "aligned_sha256": prepared.aligned.sha256,
        "corpus": prepared.corpus.name,
        "corpus_sha256": prepared.corpus.sha256,
        "pivot": prepared.corpus.pivot,
        "languages": list(prepared.corpus.languages),
        "held_out": prepared.held_out,
        "n_rows": len(prepared.rows),
        "origin": prepared.origin,
        "measure": "sts" if config.sts else "structure",
        "sts": config.sts.name if config.sts else None,
        "sts_sha256": prepared.judged.data_sha if prepared.judged else None,
        "tolerance": config.tolerance,
        "accuracy": kept["accuracy"],
        "qualified": kept["asked"],
        "sweep": points,
        "seconds": round(seconds, 1),
    }


def _save(
    model: SentenceTransformer, out: Path, made: dict[str, Any], result: dict[str, Any]
) -> None:
    """Write the encoder as `align` writes one, and `merge.json` last."""
    from hexapla.alignment.stage import save_encoder

    # The aligned encoder's card would be written again, with its scores and all.
    model._model_card_text = None
    model.model_card_data = model.model_card_data_class(local_files_only=True)
    model.model_card_data.register_model(model)
    save_encoder(model, out, {**made, "merged": result})
    write_json(out / MERGED, result)
