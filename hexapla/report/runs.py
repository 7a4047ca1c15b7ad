"""Score folders -> runs that can be compared, or the reason why they cannot.

A run is what one path of scores holds: one encoder, measured. Two runs are compared score by score, so each must have
every score of the other, made from the same data by the same metric; what belongs to the encoder (its prompt, how many
tokens it takes) and to the machine may differ and is noted.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from hexapla.errors import InputError, nearest
from hexapla.evaluate.metrics import METRICS
from hexapla.evaluate.overlap import CONTAMINATION
from hexapla.evaluate.scores import Score, parse_signature, read_scores
from hexapla.run import RUN

# Signature fields that two runs of one comparison may differ in. Any other field says what was measured.
ENCODER_FIELDS = frozenset({"prompt", "max_tokens", "dtype"})
SOFTWARE_FIELDS = frozenset({"hexapla", "sentence-transformers", "transformers", "torch", "scikit-learn", "scipy"})


class Key(NamedTuple):
    """What a score is of; two scores with the same key can be compared."""

    task: str
    split: str
    metric: str
    languages: str

    def __str__(self) -> str:
        """Return the key as messages name it."""
        return f"{self.task} {self.split} {self.languages} {self.metric}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The scores of one encoder, under the name that the table gives it.

    Attributes:
        label: Unlike every other run's.
        path: Folder or file, as given.
        scores: By what they are of.
        training: What `align` wrote of the encoder's training; empty for one that was not aligned, and where no
            run.json lies beside the scores.
        contamination: What `evaluate` found of its sentences in the training corpus; None if it did not look.
    """

    label: str
    path: Path
    scores: Mapping[Key, Score]
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    contamination: Mapping[str, Any] | None = None

    @property
    def first(self) -> Score:
        """Return any score, for what is the same in all."""
        return next(iter(self.scores.values()))

    @property
    def name(self) -> str:
        """Return the regime, or the name of an encoder that has none."""
        return self.first.regime or PurePath(self.first.encoder).name


def read_runs(paths: Sequence[Path]) -> tuple[Run, ...]:
    """Read the scores of each path as one run.

    Args:
        paths: Score folders or files, at least two.

    Raises:
        InputError: Fewer than two paths; scores that cannot be read, are of several encoders or doubled, or of a
            metric that this version does not know; a run.json or contamination.json that is damaged.
    """
    if len(paths) < 2:
        raise InputError(f"{len(paths)} score folders given; a comparison needs at least two")
    every = [_by_key(path, read_scores(path)) for path in paths]
    firsts = [next(iter(scores.values())) for scores in every]
    labels = _labels(firsts, paths)
    return tuple(
        Run(
            label=label, path=path, scores=scores, training=_training(path),
            contamination=_beside(path, CONTAMINATION),
        )
        for label, path, scores in zip(labels, paths, every, strict=True)
    )  # fmt: skip


def _training(path: Path) -> dict[str, Any]:
    run = _beside(path, RUN) or {}
    encoder = run.get("encoder", {})
    training = encoder.get("training", {}) if isinstance(encoder, dict) else None
    if not isinstance(training, dict):
        raise InputError(f"{_folder(path) / RUN} says of the encoder {encoder!r:.80}; evaluate again")
    return training


def _beside(path: Path, name: str) -> dict[str, Any] | None:
    """Read a JSON object that lies beside the scores, if it is there."""
    file = _folder(path) / name
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}; evaluate again") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} holds no JSON object; evaluate again")
    return content


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _by_key(path: Path, scores: Sequence[Score]) -> dict[Key, Score]:
    encoders = list(dict.fromkeys((score.encoder, score.encoder_sha) for score in scores))
    if len(encoders) > 1:
        names = ", ".join(name for name, _ in encoders)
        raise InputError(f"{path} holds the scores of {len(encoders)} encoders ({names}); give each a path of its own")
    by_key: dict[Key, Score] = {}
    for score in scores:
        if score.metric not in METRICS:
            raise InputError(
                f"{path} holds {score.task} {score.metric}, a metric that this version does not know"
                f"{nearest(score.metric, METRICS)}; evaluate again"
            )
        key = Key(score.task, score.split, score.metric, score.languages)
        if key in by_key:
            raise InputError(f"{path} holds {key} twice; evaluate again")
        by_key[key] = score
    return by_key


def _labels(firsts: Sequence[Score], paths: Sequence[Path]) -> list[str]:
    """Name each run after its regime, else its encoder; names that clash get what tells them apart."""
    names = [PurePath(score.encoder).name for score in firsts]
    labels = [score.regime or name for score, name in zip(firsts, names, strict=True)]
    seeds = [f"seed {score.seed}" for score in firsts]
    numbers = [f"#{number}" for number in range(1, len(firsts) + 1)]
    for clash in [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        members = [number for number, label in enumerate(labels) if label == clash]
        for details in (seeds, names, [path.name for path in paths], numbers):
            if len({details[number] for number in members}) == len(members):
                for number in members:
                    labels[number] = f"{clash} {details[number]}"
                break
    return labels


def check_comparable(runs: Sequence[Run]) -> list[str]:
    """Refuse runs that do not measure the same things; return what differs and may, a line for each field.

    Raises:
        InputError: With the run and the score that is lacking, or the signature field that differs.
    """
    baseline = runs[0]
    for run in runs[1:]:
        for one, other in ((baseline, run), (run, baseline)):
            lacking = next((key for key in one.scores if key not in other.scores), None)
            if lacking:
                raise InputError(
                    f"{other.label} ({other.path}) has no {lacking}, which {one.label} ({one.path}) has; "
                    "evaluate both on the same data and languages"
                )
    notes: dict[str, str] = {}
    for key in baseline.scores:
        for field, values in _differences({run.label: run.scores[key].signature for run in runs}):
            told = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
            if field not in ENCODER_FIELDS | SOFTWARE_FIELDS:
                what = (
                    "of one version of the metric, evaluate again" if field == "metric_version" else "on the same data"
                )
                raise InputError(f"{key}: {field} differs: {told}; scores compare only {what}, by the same metric")
            notes.setdefault(field, f"{field} differs: {told}")
    return list(notes.values())


def _differences(signatures: Mapping[str, str]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each field that is not the same in all signatures, with the labels that have each value."""
    if len(set(signatures.values())) == 1:
        return
    every = {label: parse_signature(signature) for label, signature in signatures.items()}
    for field in dict.fromkeys(field for fields in every.values() for field in fields):
        values: dict[str, list[str]] = {}
        for label, fields in every.items():
            values.setdefault(fields.get(field, "none"), []).append(label)
        if len(values) > 1:
            yield field, values


def agreed_seen(runs: Sequence[Run], key: Key) -> bool | None:
    """Return whether the languages of a score were seen in training, as the runs that know it say; None if none does.

    A base encoder was aligned on nothing and says nothing, so it takes the grouping of the runs it is compared with.

    Raises:
        InputError: When runs were aligned on different languages and so disagree.
    """
    stated = {run.label: seen for run in runs if (seen := run.scores[key].seen) is not None}
    if len(set(stated.values())) > 1:
        said = ", ".join(f"{'seen' if seen else 'unseen'} for {label}" for label, seen in stated.items())
        raise InputError(
            f"{key.task} {key.languages} is {said}; one table needs one grouping, "
            "evaluate all with the same `hexapla evaluate --seen LANGUAGE,...`"
        )
    return next(iter(stated.values()), None)


def check_same_items(key: Key, items: Mapping[str, Sequence[str]]) -> None:
    """Refuse runs that a score was measured on different items of.

    Args:
        key: The score.
        items: The items of each run by its label, the baseline's first.

    Raises:
        InputError: With the first item that differs.
    """
    (baseline, names), *others = items.items()
    for label, other_names in others:
        if names == other_names:
            continue
        for number, (name, other_name) in enumerate(zip_longest(names, other_names, fillvalue="missing"), start=1):
            if name != other_name:
                raise InputError(
                    f"{key}: item {number} is {name} in {baseline} and {other_name} in {label}; "
                    "scores compare only on the same items, evaluate both on the same data"
                )
