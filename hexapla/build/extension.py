"""The settings of a build that extends a corpus (`--add`, `--top-up`), checked against it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hexapla.build.origin import Origin
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from hexapla.text.language_groups import is_group
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translator


def check_extension(
    source: SourceConfig, add: Sequence[str], to: Sequence[str], *, top_up: bool
) -> None:
    """Check the settings that can be wrong whatever the corpus is.

    Raises:
        InputError: Settings that exclude each other, several corpora, or a setting of texts.
    """
    if add and top_up:
        raise InputError(
            "--add and --top-up exclude each other: the first makes new columns, the second fills "
            "those that are there; run one after the other"
        )
    # Once they are chosen, they are in both.
    if add and to and tuple(to) != tuple(add):
        raise InputError(
            f"add is {', '.join(add)} and to is {', '.join(to)}; name the new languages in --add "
            "alone"
        )
    if len(source.texts) > 1:
        raise InputError(
            f"{len(source.texts)} texts are given, {', '.join(source.texts[:3])}; --add and "
            "--top-up extend one corpus folder"
        )
    for field in dataclasses.fields(source):
        value = getattr(source, field.name)
        if field.name not in ("texts", "pivot") and value != field.default:
            raise InputError(
                f"{field.name} is {value}, which is a setting of texts; with --add and --top-up "
                "the rows are those of the corpus: leave it out"
            )


def check_pivot(source: SourceConfig, origin: Origin) -> None:
    """Refuse another pivot than the corpus has.

    Raises:
        InputError: It was given; its default gives way to the corpus's.
    """
    pivot = origin.corpus.pivot
    default = next(f.default for f in dataclasses.fields(source) if f.name == "pivot")
    if source.pivot not in (pivot, default):
        raise InputError(
            f"pivot is {source.pivot}, and that of {origin.corpus.path} is {pivot}; leave it out"
        )


def languages_to_add(
    origin: Origin, translator: TranslatorConfig | Translator, add: Sequence[str]
) -> tuple[str, ...]:
    """Return the languages to add; a group means those that the corpus lacks.

    Raises:
        InputError: The corpus has a language that is named, or all of the groups.
    """
    for code in add:
        if code == origin.corpus.pivot:
            raise InputError(f"{code} is the pivot of {origin.corpus.path}; leave it out of --add")
        if code in origin.languages:
            raise InputError(
                f"{origin.corpus.path} has a column {code} already; leave it out of --add, or fill "
                f"what it lacks with --top-up --to {code}"
            )
    new = [code for code in _expand(origin, translator, add) if code not in origin.languages]
    if not new:
        raise InputError(
            f"{origin.corpus.path} has all languages of {', '.join(add)} that the translator has; "
            "name others in --add"
        )
    return tuple(new)


def languages_to_fill(
    origin: Origin, translator: TranslatorConfig | Translator, to: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns to top up: all, those named, or those of a group that the corpus has.

    Raises:
        InputError: The corpus lacks a language that is named, or all of the groups, or it is the
            pivot.
    """
    columns = [code for code in origin.languages if code != origin.corpus.pivot]
    if not to:
        return tuple(columns)
    for code in to:
        if code == origin.corpus.pivot:
            raise InputError(
                f"{code} is the pivot of {origin.corpus.path}, of which no cell is missing; leave "
                "it out of --to"
            )
        if not is_group(code) and code not in columns:
            raise InputError(
                f"{origin.corpus.path} has no column {code}, it has {', '.join(columns)}; --add "
                "makes new columns"
            )
    chosen = [code for code in _expand(origin, translator, to) if code in columns]
    if not chosen:
        raise InputError(
            f"{origin.corpus.path} has no language of {', '.join(to)} that the translator has; it "
            f"has {', '.join(columns)}"
        )
    return tuple(chosen)


def _expand(
    origin: Origin, translator: TranslatorConfig | Translator, targets: Sequence[str]
) -> Sequence[str]:
    if not any(map(is_group, targets)):
        return targets
    from hexapla.translate.target_groups import expand_targets

    return expand_targets(translator, origin.corpus.pivot, targets)
