"""Scores of a run -> `model-index`, from which the Hub shows results on a model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.evaluation.metrics import METRICS
from hexapla.evaluation.scores import Score
from hexapla.runs.atomic import write_text

# MTEB's names for kinds of task, by the first part of our task names.
_KINDS = {
    "bitext": "BitextMining",
    "pool": "BitextMining",
    "xsim": "BitextMining",
    "language-identity": "Classification",
    "sts": "STS",
    "sts-across": "STS",
    "topics": "Classification",
    "topics-zero-shot": "Classification",
    "classification": "Classification",
    "classification-zero-shot": "Classification",
}


def model_index(name: str, scores: Sequence[Score]) -> str:
    """Return a run's `model-index` as YAML: a result for each task, split and languages."""
    import yaml
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    results = [
        EvalResult(
            task_type=_KINDS.get(score.task.split("/")[0], "Other"),
            dataset_type=score.task,
            dataset_name=f"{score.task} ({score.languages})",
            dataset_config=score.languages,
            dataset_split=score.split,
            metric_type=score.metric,
            metric_value=round(100 * score.value, 3),
            metric_name=f"{METRICS[score.metric].label}, %",
        )
        for score in scores
    ]
    content = {"model-index": eval_results_to_model_index(name, results)}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def check_has_card(encoder: Path) -> Path:
    """Return the path of an encoder's model card.

    Raises:
        InputError: The folder has no card.
    """
    card = encoder / "README.md"
    if not card.is_file():
        raise InputError(
            f"{encoder} has no README.md to put the scores into; give an encoder that hexapla "
            "align made"
        )
    return card


def put_scores_into_card(encoder: Path, index: str) -> None:
    """Put a `model-index` into the front matter of an encoder's card, and leave the rest as it is.

    Raises:
        InputError: The folder has no card.
    """
    import yaml
    from huggingface_hub import ModelCard

    card = check_has_card(encoder)
    loaded: Any = ModelCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    front = {**loaded.data.to_dict(), **yaml.safe_load(index)}
    matter = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    write_text(card, f"---\n{matter}---\n{loaded.text}")
