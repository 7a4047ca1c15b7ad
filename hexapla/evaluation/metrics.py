"""The metrics: their labels, which direction is better, and the versions of their definitions.

The version is part of every signature, and `compare` refuses scores of different versions, so that
a corrected metric is never mistaken for a gain.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        label: Heading in tables.
        higher_is_better: False for errors and biases.
        version: Increased whenever the same vectors would give another value.
    """

    label: str
    higher_is_better: bool = True
    version: int = 1


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "f1": Metric("F1, as MTEB"),
    "margin_accuracy": Metric("accuracy by margin"),
    "spearman": Metric("Spearman"),
    # accuracy - f1, per direction: the penalty of F1 for targets that are the nearest of many
    # queries.
    "hubness": Metric("hubness", higher_is_better=False),
    # LASER's error rate of retrieval by margin among the four nearest; xsim++ with altered English
    # sentences in the pool.
    "xsim": Metric("xsim error", higher_is_better=False),
    "xsim++": Metric("xsim++ error", higher_is_better=False),
    # In one pool of all languages: fraction of queries whose nearest text is in their language.
    "same_language": Metric("same-language bias", higher_is_better=False),
    # Accuracy of a linear probe that predicts the language of a vector.
    "identified": Metric("language identified", higher_is_better=False),
}
