"""Human translations of a build's sentences -> chrF of its translations, with the signature.

chrF compares character n-grams, so that it needs no tokenizer of a language (Popović, 2015). The
library is sacrebleu, whose scores are from 0 to 100, higher being better.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.rows import row_id
from hexapla.errors import InputError

_Pair = tuple[str, str]  # a translation and its reference


class References:
    """Human translations by the id of their row.

    Attributes:
        name: Last part of the path.
        sha256: Hash of the whole file or folder.
        texts: Language -> row id -> translation.
    """

    def __init__(self, name: str, sha256: str, texts: Mapping[str, Mapping[str, str]]) -> None:
        self.name, self.sha256, self.texts = name, sha256, texts

    @classmethod
    def load(
        cls, path: str, pivot: str, languages: Sequence[str], row_ids: Container[str]
    ) -> References:
        """Read the human translations of some rows.

        Args:
            path: Corpus folder or table file with a column per language.
            pivot: The column by whose text a row is found; of equal texts the first counts.
            languages: The languages to translate into. Those without a column have no references.
            row_ids: The ids of the rows of the build.

        Raises:
            InputError: The file cannot be read, has none of the languages, or has no translation
                of these rows.
        """
        corpus = open_corpus(path, verify=False)
        columns = reference_columns(path, pivot, languages)
        texts: dict[str, dict[str, str]] = {language: {} for language in columns}
        for batch in corpus.batches([pivot, *columns]):
            for row in batch.to_pylist():
                # The ids of a folder may be those of another pivot.
                identity = row_id(row[pivot]) if row[pivot] is not None else ""
                if identity in row_ids:
                    for language in columns:
                        if row[language] is not None:
                            texts[language].setdefault(identity, row[language])
        if not any(texts.values()):
            raise InputError(
                f"{path}: none of its {len(corpus):,} rows translates a sentence of this build; "
                f"its column {pivot} must hold the same sentences (--no-split-sentences keeps "
                "lines whole)"
            )
        return cls(corpus.name, corpus.sha256, texts)

    def has(self, identity: str) -> bool:
        """Return whether a row has a human translation into any language."""
        return any(identity in of_language for of_language in self.texts.values())


class ReferenceScores:
    """The chrF of translations against their references, by language."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._kept: dict[str, list[_Pair]] = {language: [] for language in references.texts}
        self._rejected: dict[str, list[_Pair]] = {language: [] for language in references.texts}

    def add(
        self,
        language: str,
        row_ids: Sequence[str],
        kept: Sequence[str | None],
        rejected: Sequence[str | None],
    ) -> None:
        """Count cells of one language.

        Args:
            language: Their language.
            row_ids: The row of each cell.
            kept: The text of each cell that the corpus has.
            rejected: The first translation of each cell that was rejected and not replaced.
        """
        known = self._references.texts.get(language, {})
        for cells, pairs in ((kept, self._kept), (rejected, self._rejected)):
            for identity, text in zip(row_ids, cells, strict=True):
                if text is not None and identity in known:
                    pairs[language].append((text, known[identity]))

    def to_json(self) -> dict[str, Any]:
        """Return the scores as `corpus.json` has them, with the signature that reproduces them."""
        from sacrebleu.metrics.chrf import CHRF

        metric = CHRF()
        found: dict[str, dict[str, Any]] = {}
        for language, pairs in self._kept.items():
            rejected = self._rejected[language]
            found[language] = {
                "chrf": _score(metric, pairs),
                "n": len(pairs),
                "chrf_rejected": _score(metric, rejected),
                "n_rejected": len(rejected),
            }
        metric.corpus_score([""], [[""]])  # a metric that has scored nothing has no signature
        return {
            "name": self._references.name,
            "sha256": self._references.sha256,
            "metric": "chrF2",
            "signature": str(metric.get_signature()),
            "languages": found,
        }


def merge_scores(
    before: Mapping[str, Any] | None, new: Mapping[str, Any] | None, changed: Sequence[str]
) -> dict[str, Any] | None:
    """Return the scores of a corpus that was extended.

    Args:
        before: Its scores before, as `ReferenceScores.to_json` gives them.
        new: Those of the languages that were translated into. If they are against another file, or
            have another signature, they stand alone.
        changed: These languages; their scores from before are void.
    """
    if before is None:
        return dict(new) if new else None
    rest = {code: each for code, each in before["languages"].items() if code not in changed}
    if new is None:
        return {**before, "languages": rest} if rest else None
    of_file = [key for key in new if key != "languages"]
    if any(before.get(key) != new[key] for key in of_file):
        return dict(new)
    return {**new, "languages": {**rest, **new["languages"]}}


def reference_lines(scores: Mapping[str, Any]) -> list[str]:
    """Return what `ReferenceScores.to_json` gives as lines of text."""
    shown = [
        f"{language} {_shown(each['chrf'])} (n {each['n']:,}"
        + (
            f"; rejected cells {_shown(each['chrf_rejected'])}, n {each['n_rejected']:,})"
            if each["n_rejected"]
            else ")"
        )
        for language, each in scores["languages"].items()
    ]
    return [
        f"{scores['metric']} against {scores['name']}: {', '.join(shown)}",
        f"signature {scores['signature']}",
    ]


def check_references(path: str, pivot: str, languages: Sequence[str]) -> None:
    """Check what can be known of references before anything is translated.

    Raises:
        InputError: sacrebleu is not installed, there is no such table, or it has none of the
            languages.
    """
    if find_spec("sacrebleu") is None:
        raise InputError(
            "reference needs the library sacrebleu; install it with: "
            "pip install 'hexapla[translate]'"
        )
    reference_columns(path, pivot, languages)


def reference_columns(path: str, pivot: str, languages: Sequence[str]) -> list[str]:
    """Return those languages that a table of references has.

    Raises:
        InputError: There is no such table, or it lacks the pivot or all languages.
    """
    present = open_corpus(path, verify=False).languages
    if pivot not in present:
        raise InputError(f"{path} has no column {pivot}, by which rows are found; add it")
    columns = [language for language in languages if language in present]
    if not columns:
        raise InputError(
            f"{path} has references in {', '.join(present)}, and none in "
            f"{', '.join(languages)}; give another file, or leave reference out"
        )
    return columns


def _score(metric: Any, pairs: Sequence[_Pair]) -> float | None:
    if not pairs:
        return None
    score = metric.corpus_score([text for text, _ in pairs], [[known for _, known in pairs]])
    return round(float(score.score), 4)


def _shown(score: float | None) -> str:
    return "none" if score is None else f"{score:.1f}"
