"""The settings of a build, checked before anything is read or loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, SkipValidation

from hexapla.corpus.work_folder import work_folder
from hexapla.errors import InputError
from hexapla.filters.config import FilteringSettings
from hexapla.runs.config import SCALE, ClusterSettings, ResumableSettings, TextLimitSettings
from hexapla.runs.settings import DATA, Flag, Name, settings
from hexapla.sources.config import SourceConfig
from hexapla.text.language_groups import is_group, parse_targets
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translator

if TYPE_CHECKING:
    from hexapla.build.origin import Origin


def _parse_to(value: Any) -> Any:
    """Parse languages and groups, if any; a value of another type comes back as it is."""
    if value == ():
        return value
    value = value.split(",") if isinstance(value, str) else value
    is_list = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    return parse_targets(value) if is_list else value


Targets = Annotated[tuple[str, ...], BeforeValidator(_parse_to), Flag(metavar="LANG|GROUP,...")]


@settings
class BuildConfig(ClusterSettings, FilteringSettings, ResumableSettings, TextLimitSettings):
    """Settings of a build.

    `source` holds the texts and `translator` the translation model, or a user's own `Translator`.
    On the command line and in recipes their settings stand beside the others. While a build runs,
    its parts lie in `NAME.building` beside the corpus folder.
    """

    source: SourceConfig
    to: Targets = ()
    """Languages to translate into, or groups of them: paper-diverse, europe, indic, script:Latn and
    others. A group means those of its languages that the translator has. With --top-up, the columns
    to fill, by default all."""
    add: Targets = ()
    """Languages or groups to add to a corpus folder, which takes the place of the texts. Only these
    are translated into; what the corpus has is kept."""
    top_up: bool = False
    """Fill the cells that a corpus folder lacks, which takes the place of the texts; what it has is
    kept."""
    translator: TranslatorConfig | SkipValidation[Translator]
    rows_per_shard: Annotated[int, Field(ge=1, le=1_000_000), SCALE] = 2048
    """Rows that are translated and committed at once."""
    reference: Annotated[Name | None, DATA, Flag(identity=False)] = None
    """Table or corpus folder with human translations of some of the sentences: a column per
    language, and the sentences in the pivot's column. The build reports chrF against them."""

    def __post_init__(self) -> None:
        """Check settings against each other, and replace groups by their languages."""
        ResumableSettings.__post_init__(self)
        ClusterSettings.__post_init__(self)
        if self.add or self.top_up:
            self._extend()
            return
        if not self.to:
            raise InputError("no to; name the languages to translate into (--to)")
        if self.source.pivot in self.to:
            raise InputError(
                f"{self.source.pivot} is the pivot and among the languages to translate into; "
                "leave it out"
            )
        if any(map(is_group, self.to)):
            from hexapla.translate.target_groups import expand_targets

            to = expand_targets(self.translator, self.pivot, self.to)
            object.__setattr__(self, "to", to)

    def _extend(self) -> None:
        """Take the pivot of the corpus that is extended, and choose the languages."""
        from hexapla.build import extension

        extension.check_extension(self.source, self.add, self.to, top_up=self.top_up)
        origin = self.origin
        if origin is None:
            return
        extension.check_pivot(self.source, origin)
        source = dataclasses.replace(self.source, pivot=origin.corpus.pivot)
        object.__setattr__(self, "source", source)
        if self.top_up:
            to = extension.languages_to_fill(origin, self.translator, self.to)
        else:
            to = extension.languages_to_add(origin, self.translator, self.add)
            object.__setattr__(self, "add", to)
        object.__setattr__(self, "to", to)

    @cached_property
    def origin(self) -> Origin | None:
        """The corpus that is extended; None of a build from text."""
        if not (self.add or self.top_up):
            return None
        from hexapla.build.origin import Origin

        folder = self.source.texts[0]
        return Origin.open(folder, self.out, fills=self.top_up, resume=self.resume)

    @property
    def languages(self) -> tuple[str, ...]:
        """The columns of the corpus to make, the pivot first."""
        before = self.origin.languages if self.origin else (self.pivot,)
        return tuple(dict.fromkeys([*before, *self.to]))

    @property
    def pivot(self) -> str:
        """The language of the texts."""
        return self.source.pivot

    @property
    def work(self) -> Path:
        """The folder of the unfinished build."""
        return work_folder(self.out)

    def settings(self) -> dict[str, Any]:
        """Return the settings that the corpus depends on.

        Texts, translator, filters and evaluation sets are left out: their facts say more than their
        names do.
        """
        shared = {"policy": self.policy, "rows_per_shard": self.rows_per_shard}
        if self.origin is not None:
            return {"add" if self.add else "top_up": self.to, **shared}
        source = dataclasses.asdict(self.source)
        del source["texts"]
        return {
            "source": source,
            "to": self.to,
            "near_duplicates": self.near_duplicates,
            **shared,
        }


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings, so that one which changed is named by itself.

    >>> flatten({"translator": {"beam_size": 4}, "to": ["deu_Latn"]})
    {'translator.beam_size': 4, 'to': ['deu_Latn']}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
