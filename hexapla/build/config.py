"""What a build is: text, languages, translator, filters; checked value by value before anything is read or loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from hexapla.errors import InputError, nearest
from hexapla.filters.stage import Policy
from hexapla.sources import SourceConfig
from hexapla.text import languages as codes
from hexapla.translate.translator import Translator, TranslatorConfig

Executor = Literal["local", "ray"]


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """Settings of a build.

    Attributes:
        source: The texts and which of their sentences; its language is the pivot.
        to: Languages to translate into.
        translator: Which one, or a user's own `Translator`.
        out: The corpus folder to make. While the build runs its parts lie in `NAME.building` beside
            it.
        near_duplicates: Least similarity, above 0 to 1, at which a sentence repeats an earlier one;
            None keeps all.
        against: Evaluation sets to keep apart from: files, folders or "mteb:TASK".
        filters: "default", "none" or a TOML file.
        policy: What a rejected cell does: it becomes null, or its whole row is dropped.
        max_loss: Share of a language's cells, 0 to 1, whose rejection stops the build.
        rows_per_shard: Rows that are translated into one language, and committed, at once.
        executor: "local" processes, or a "ray" cluster that shares the folder.
        workers: Processes or actors, each with a translator of its own.
        address: Of the Ray cluster; None for the one that this machine belongs to, or else one of
            its own.
        resume: Go on with the interrupted build of the same settings.
        overwrite: Replace the corpus, or the unfinished build, that is there.
        license: Of the corpus, best as an SPDX id.
    """

    source: SourceConfig
    to: tuple[str, ...]
    translator: TranslatorConfig | Translator
    out: Path
    near_duplicates: float | None = 0.8
    against: tuple[str, ...] = ()
    filters: str = "default"
    policy: Policy = "null-cell"
    max_loss: float = 0.2
    rows_per_shard: int = 2048
    executor: Executor = "local"
    workers: int = 1
    address: str | None = None
    resume: bool = False
    overwrite: bool = False
    license: str | None = None

    def __post_init__(self) -> None:
        """Check every value by itself."""
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "to", codes.parse_list(self.to, least=1))
        if self.source.language in self.to:
            raise InputError(
                f"{self.source.language} is the pivot and among the languages to translate into; drop it"
            )
        for key, choices in (("policy", Policy), ("executor", Executor)):
            value, allowed = getattr(self, key), get_args(choices)
            if value not in allowed:
                raise InputError(
                    f'{key} is "{value}"; it must be {" or ".join(allowed)}{nearest(value, allowed)}'
                )
        for key in ("rows_per_shard", "workers"):
            if getattr(self, key) < 1:
                raise InputError(f"{key} is {getattr(self, key)}; it must be 1 or more")
        if not 0 <= self.max_loss <= 1:
            raise InputError(
                f"max_loss is {self.max_loss}; it is a share of the cells, from 0 to 1"
            )
        if self.near_duplicates is not None and not 0 < self.near_duplicates <= 1:
            raise InputError(
                f"near_duplicates is {self.near_duplicates}; it is a similarity above 0 and at most 1, 0.8 for most"
            )
        if self.address is not None and self.executor != "ray":
            raise InputError(
                f"address is {self.address}, that of a Ray cluster; say --executor ray with it"
            )

    @property
    def pivot(self) -> str:
        """The language of the texts."""
        return self.source.language

    @property
    def work(self) -> Path:
        """The folder of the unfinished build."""
        final = Path(os.path.realpath(self.out))
        return final.with_name(f"{final.name}.building")

    def settings(self) -> dict[str, Any]:
        """Return the settings that the rows and their cells depend on, but for the facts that others tell."""
        source = asdict(self.source)
        del source["texts"]
        return {
            "source": source,
            "to": self.to,
            "near_duplicates": self.near_duplicates,
            "policy": self.policy,
            "rows_per_shard": self.rows_per_shard,
        }


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings, so that a changed one is told by its own name.

    >>> flat({"translator": {"beam_size": 4}, "to": ["deu_Latn"]})
    {'translator.beam_size': 4, 'to': ['deu_Latn']}
    """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
