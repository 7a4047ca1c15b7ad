"""Score folders -> runs that can be compared, or the reason why they cannot.

A run is the scores of one path: one encoder, measured. Two runs are compared score by score, so
each must have every score of the other, measured on the same data with the same metric. What
belongs to the encoder (its prompt, its maximum length) or to the machine may differ and is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, zip_longest
from pathlib import Path, PurePath
from typing import NamedTuple

from hexapla.errors import InputError, did_you_mean
from hexapla.evaluation.metrics import METRICS
from hexapla.evaluation.scores import Score, read_scores
from hexapla.evaluation.signature import parse_signature
from hexapla.report.training import Training, read_training

# Signature fields that may differ between the runs of a comparison. All others say what was
# measured.
ENCODER_FIELDS = frozenset({"prompt", "max_tokens", "dtype"})
SOFTWARE_FIELDS = frozenset(
    {"hexapla", "sentence-transformers", "transformers", "torch", "scikit-learn", "scipy"}
)


class ScoreKey(NamedTuple):
    """What a score measures; two scores with the same key can be compared."""

    task: str
    split: str
    metric: str
    languages: str

    def __str__(self) -> str:
        """Return the key as messages name it."""
        return f"{self.task} {self.split} {self.languages} {self.metric}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The scores of one encoder.

    Attributes:
        label: Name of the run in messages: its regime or its encoder's name, and a detail that
            distinguishes it from other runs.
        path: The score folder or file, as given.
        scores: At least one score, by key.
        training: How the encoder was aligned; None if it was not, or if no record says so.
    """

    label: str
    path: Path
    scores: Mapping[ScoreKey, Score]
    training: Training | None = None

    @property
    def score(self) -> Score:
        """The first score, for what all scores share: encoder, regime, seed, corpus."""
        return next(iter(self.scores.values()))

    @property
    def regime(self) -> str | None:
        """Training regime; None for an encoder that was not aligned."""
        return self.score.regime

    @property
    def folder(self) -> Path:
        """Folder of the scores."""
        return self.path if self.path.is_dir() else self.path.parent

    def encoded_with(self) -> frozenset[tuple[str, str]]:
        """Return the signature fields that belong to the encoder: prompts, length, precision."""
        fields = (
            field
            for score in self.scores.values()
            for field in parse_signature(score.signature).items()
        )
        return frozenset(field for field in fields if field[0] in ENCODER_FIELDS)


def read_runs(paths: Sequence[Path]) -> tuple[Run, ...]:
    """Read the scores of each path as one run.

    Args:
        paths: Score folders or files, at least one.

    Raises:
        InputError: There is no path; scores cannot be read, belong to several
            encoders, occur twice or have an unknown metric; a record beside them is damaged.
    """
    if not paths:
        raise InputError("no score folder given; a comparison needs two or more, or one to show")
    runs = [Run(label="", path=path, scores=_by_key(path, read_scores(path))) for path in paths]
    labels = tell_apart(
        [run.regime or short_name(run) for run in runs],
        (
            lambda some: [f"seed {runs[number].score.seed}" for number in some],
            lambda some: [short_name(runs[number]) for number in some],
            lambda some: folder_names([runs[number].folder for number in some]),
        ),
    )
    return tuple(
        replace(run, label=label, training=read_training(run.folder, run.score))
        for run, label in zip(runs, labels, strict=True)
    )


def _by_key(path: Path, scores: Sequence[Score]) -> dict[ScoreKey, Score]:
    encoders = list(dict.fromkeys((score.encoder, score.encoder_sha) for score in scores))
    if len(encoders) > 1:
        names = ", ".join(name for name, _ in encoders)
        raise InputError(
            f"{path} holds the scores of {len(encoders)} encoders ({names}); give each encoder's "
            "scores a path of their own"
        )
    by_key: dict[ScoreKey, Score] = {}
    for score in scores:
        if score.metric not in METRICS:
            raise InputError(
                f"{path}: metric {score.metric} is unknown to this version, which knows "
                f"{', '.join(METRICS)}{did_you_mean(score.metric, METRICS)}"
            )
        key = ScoreKey(score.task, score.split, score.metric, score.languages)
        if key in by_key:
            raise InputError(f"{path} holds {key} twice; evaluate again")
        by_key[key] = score
    return by_key


def short_name(run: Run) -> str:
    """Return the last part of the encoder's name."""
    return PurePath(run.score.encoder).name


def folder_names(folders: Sequence[Path]) -> list[str]:
    """Name folders by as many of their last parts as it takes to tell them apart.

    >>> folder_names([Path("/a/x/scores"), Path("/a/y/scores")])
    ['x/scores', 'y/scores']
    """
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts))):
        names = ["/".join(of_one[-depth:]) for of_one in parts]
        if len(set(names)) == len(names):
            return names
    return [f"#{number}" for number in range(1, len(folders) + 1)]


def tell_apart(
    labels: Sequence[str], ways: Sequence[Callable[[list[int]], list[str]]]
) -> list[str]:
    """Add a detail to each of several equal labels, so that they can be told apart.

    Args:
        labels: Labels, some of them equal.
        ways: Functions that take the positions of equal labels and return a detail for each. The
            first one whose details all differ is used; those of the last one always do.

    >>> tell_apart(["star", "en-x", "star"], [lambda some: [f"seed {place}" for place in some]])
    ['star seed 0', 'en-x', 'star seed 2']
    """
    distinct = list(labels)
    for clash in [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        members = [place for place, label in enumerate(labels) if label == clash]
        candidates = (way(members) for way in ways)
        details = next(details for details in candidates if len(set(details)) == len(members))
        for place, detail in zip(members, details, strict=True):
            distinct[place] = f"{clash} {detail}".strip()
    return distinct


def check_comparable(runs: Sequence[Run]) -> list[str]:
    """Refuse runs that do not measure the same things.

    Returns:
        A note for each signature field that differs and may differ.

    Raises:
        InputError: A run lacks a score, a signature field differs, or two paths are scores of the
            same encoder. The message names the run, the score, the field or the paths.
    """
    _check_same_scores(runs)
    baseline = runs[0]
    notes: dict[str, str] = {}
    for key in baseline.scores:
        for field, values in _differences({run.label: run.scores[key].signature for run in runs}):
            listed = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
            if field == "metric_version":
                raise InputError(
                    f"{key}: {field} differs: {listed}; evaluate all again with one version of "
                    "hexapla"
                )
            if field not in ENCODER_FIELDS | SOFTWARE_FIELDS:
                raise InputError(
                    f"{key}: {field} differs: {listed}; scores compare only on the same data and "
                    "metric"
                )
            notes.setdefault(field, f"{field} differs: {listed}")
    _check_distinct_encoders(runs)
    return list(notes.values())


def _check_same_scores(runs: Sequence[Run]) -> None:
    baseline = runs[0]
    for run in runs[1:]:
        for one, other in ((baseline, run), (run, baseline)):
            missing = next((key for key in one.scores if key not in other.scores), None)
            if missing:
                raise InputError(
                    f"{other.label} ({other.path}) has no {missing}, which {one.label} "
                    f"({one.path}) has; evaluate both on the same data and languages"
                )


def _check_distinct_encoders(runs: Sequence[Run]) -> None:
    for one, other in combinations(runs, 2):
        same_weights = one.score.encoder_sha == other.score.encoder_sha
        if same_weights and one.encoded_with() == other.encoded_with():
            raise InputError(
                f"{one.path} and {other.path} are scores of the same encoder "
                f"({one.score.encoder}, equal weights); give each encoder once"
            )


def _differences(signatures: Mapping[str, str]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each signature field that differs, with the labels of the runs that have each value."""
    if len(set(signatures.values())) == 1:
        return
    parsed = {label: parse_signature(signature) for label, signature in signatures.items()}
    for field in dict.fromkeys(field for fields in parsed.values() for field in fields):
        values: dict[str, list[str]] = {}
        for label, fields in parsed.items():
            values.setdefault(fields.get(field, "none"), []).append(label)
        if len(values) > 1:
            yield field, values


def agreed_seen(runs: Sequence[Run], key: ScoreKey) -> bool | None:
    """Return whether the languages of a score were seen in training; None if no run says.

    A base encoder was not aligned and says nothing, so it is grouped as the runs that it is
    compared with.

    Raises:
        InputError: Runs disagree because they were aligned on different languages.
    """
    stated = {run.label: seen for run in runs if (seen := run.scores[key].seen) is not None}
    if len(set(stated.values())) > 1:
        listed = ", ".join(
            f"{'seen' if seen else 'unseen'} for {label}" for label, seen in stated.items()
        )
        raise InputError(
            f"{key.task} {key.languages} is {listed}; one table needs one grouping, "
            "evaluate all with the same `hexapla evaluate --seen LANGUAGE,...`"
        )
    return next(iter(stated.values()), None)


def check_same_items(key: ScoreKey, items: Mapping[str, Sequence[str]]) -> None:
    """Refuse runs whose score was measured on different items.

    Args:
        key: The score.
        items: The items of each run by its label, the baseline's first.

    Raises:
        InputError: Items differ; the message names the first that does.
    """
    (baseline, names), *others = items.items()
    for label, other_names in others:
        if names == other_names:
            continue
        for number, (name, other_name) in enumerate(
            zip_longest(names, other_names, fillvalue="missing"), start=1
        ):
            if name != other_name:
                raise InputError(
                    f"{key}: item {number} is {name} in {baseline} and {other_name} in {label}; "
                    "scores compare only on the same items, evaluate both on the same data"
                )
