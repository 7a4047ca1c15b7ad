"""Checks of a build that need no heavy library, so that a mistake is answered at once.

The command line runs them before it imports torch, and `build` runs them again for callers from
Python.
"""

from __future__ import annotations

from pathlib import Path

from hexapla.build.config import BuildConfig
from hexapla.build.references import check_references
from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.writer import check_corpus_folder
from hexapla.filters.filter_settings import FilterSettings, read_filters
from hexapla.runs.record import RUN_FILE, check_apart, check_run_folder
from hexapla.sources.hub import Dataset
from hexapla.sources.texts import find_sources
from hexapla.text.limits import with_text_limit
from hexapla.translate.backends import check_translator, translator_paths
from hexapla.translate.config import TranslatorConfig


@with_text_limit
def check_build(config: BuildConfig, *, dry_run: bool = False) -> FilterSettings:
    """Check texts, filters, folders and translator as far as that needs no heavy library.

    Datasets of the Hub are not opened.

    Args:
        config: The build.
        dry_run: Nothing will be written, so the output folder does not matter.

    Returns:
        The settings of the filters.

    Raises:
        InputError: A text, filter or translator is missing or cannot be used, the translator lacks
            a language, no cell is to be filled, or the output folder may not be written or holds
            what is read.
    """
    for source in find_sources(config.source.texts) if config.origin is None else ():
        if not isinstance(source, Dataset):
            source.check(config.source.field)
    if config.reference is not None:
        check_references(config.reference, config.pivot, config.to)
    filters = read_filters(config.filters)
    filters.check_available()
    if not config.resume and not dry_run:
        if (config.work / RUN_FILE).is_file() and not config.overwrite:
            check_run_folder(config.work, "build", {}, done=MANIFEST, resume=False, overwrite=False)
        check_corpus_folder(config.out, config.overwrite)
        _check_apart(config)
    if config.top_up and config.origin and not config.resume:
        config.origin.check_gaps(config.to)
    if isinstance(config.translator, TranslatorConfig):
        check_translator(config.translator, config.to)
    return filters


def _check_apart(config: BuildConfig) -> None:
    """Refuse to replace what the build is made from, but for a corpus that it extends."""
    texts = config.source.texts
    if config.origin is not None:
        texts = ()
        if not config.origin.in_place:
            check_apart(config.out, {"corpus": config.origin.corpus.path}, inside=False)
    inputs = (*texts, *config.against, config.filters, config.reference)
    named: dict[str, str | Path | None] = {f"input {name}": name for name in inputs if name}
    if isinstance(config.translator, TranslatorConfig):
        named |= {f"translator {name}": name for name in translator_paths(config.translator)}
        named["cache"] = config.translator.cache
    check_apart(config.out, named)
