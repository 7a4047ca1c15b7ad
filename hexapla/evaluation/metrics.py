"""What a metric is called, which way is better, and which version of its definition a number was made by.

The decision worth knowing: the version is part of every signature, and `compare` refuses two scores
that differ in it, so that a metric that is mended never passes for a gain.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One kind of number.

    Attributes:
        label: What a table's heading says.
        higher_is_better: False for errors and biases.
        version: Raised whenever the same vectors would give another value.
    """

    label: str
    higher_is_better: bool = True
    version: int = 1


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy"),
    "f1": Metric("F1, as MTEB"),
    "margin_accuracy": Metric("accuracy by margin"),
    "spearman": Metric("Spearman"),
    # Of each direction of retrieval. What F1 takes off for targets that are everyone's neighbour:
    # accuracy - f1.
    "hubness": Metric("hubness", higher_is_better=False),
    # LASER's error of retrieval by margin, among the four nearest; xsim++ with altered English
    # targets in the pool.
    "xsim": Metric("xsim error", higher_is_better=False),
    "xsim++": Metric("xsim++ error", higher_is_better=False),
    # In one pool of all languages: how often the nearest other text is of the query's own language.
    "same_language": Metric("same-language bias", higher_is_better=False),
    # How often a linear probe tells the language of a vector.
    "identified": Metric("language identified", higher_is_better=False),
}
