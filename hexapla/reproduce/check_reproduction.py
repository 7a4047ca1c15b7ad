"""Checks of a reproduction that need no heavy library, so that a mistake is answered at once.

The command line runs them before it imports torch, and `reproduce` runs them again for callers from
Python.
"""

from __future__ import annotations

import importlib.util
import json
from functools import partial

import hexapla
from hexapla.encoder.check_encoder import check_encoder
from hexapla.errors import InputError
from hexapla.reproduce.build_settings import make_build
from hexapla.reproduce.config import ReproduceConfig
from hexapla.reproduce.experiment_reader import read_experiments
from hexapla.reproduce.experiments import CORPUS, MatrixRecipe
from hexapla.reproduce.recipe_tables import at
from hexapla.reproduce.result_folder import FORMAT
from hexapla.runs.lock import check_unlocked, is_in_use
from hexapla.runs.record import check_apart, check_folder_to_be, read_record

_PAGE_LIBRARIES = ("altair", "jinja2", "vl_convert")


def check_reproduction(config: ReproduceConfig, *, dry_run: bool = False) -> MatrixRecipe:
    """Check the recipe and everything that it names on this machine.

    Args:
        config: The reproduction.
        dry_run: Nothing will be written, so the result folder does not matter, and the Hub is not
            asked.

    Returns:
        The recipe.

    Raises:
        InputError: The recipe is wrong, something that it names is missing or cannot be used, or
            the result folder holds something else or results of another version.
    """
    recipe = read_experiments(config.recipe, config.data)
    if not dry_run:
        _check_page()
        _check_out(config)
        if config.overwrite:
            _check_apart(config, recipe)
    _check_inputs(recipe)
    return recipe


def _check_inputs(recipe: MatrixRecipe) -> None:
    """Refuse corpora, encoders and data that are missing or cannot be used."""
    # Imported after the recipe was read, so that a mistake in it is answered sooner.
    from hexapla.evaluation.data import check_data
    from hexapla.reproduce.cell_settings import TRUST_KEYS, encoder_settings, suite_config
    from hexapla.reproduce.corpus_size import measure_corpora

    measure_corpora(recipe, lambda note: None, dry_run=True)
    for name in recipe.used("encoders"):
        trust = encoder_settings(recipe, name, TRUST_KEYS)
        at(f"encoders.{name}", partial(check_encoder, recipe.encoders[name].name, **trust))
    for name in recipe.used("suites"):
        settings = suite_config(recipe, name)
        if settings.data != CORPUS:
            at(f"suites.{name}", partial(check_data, settings))


def _check_page() -> None:
    for library in _PAGE_LIBRARIES:
        if importlib.util.find_spec(library) is None:
            raise InputError(
                f"the pages need the library {library}; install it with: pip install "
                "'hexapla[report]'"
            )


def _check_out(config: ReproduceConfig) -> None:
    """Refuse a folder that must not be written."""
    out = config.out
    check_folder_to_be(out)
    check_unlocked(out)
    if not out.is_dir() or not is_in_use(out):
        return
    record = read_record(out)
    if record.get("command") != "reproduce":
        raise InputError(
            f"{out}: not empty, and it holds no results of reproduce; give another folder"
        )
    if config.overwrite:
        return
    if record.get("format") != FORMAT:
        raise InputError(
            f"{out}: holds results of format {json.dumps(record.get('format'))}; this version "
            f"({hexapla.__version__}) has format {FORMAT}; give another folder, or replace them "
            "with --overwrite"
        )
    if not config.resume:
        raise InputError(
            f"{out}: holds results; --resume continues them, also with a changed recipe, and "
            "--overwrite replaces them"
        )


def _check_apart(config: ReproduceConfig, recipe: MatrixRecipe) -> None:
    """Refuse to replace a folder that holds what is to be read."""
    inputs = {"recipe": config.recipe, "data": config.data}
    for corpus in recipe.corpora.values():
        inputs |= {f"corpus {path}": path for path in corpus.path}
        inputs |= {f"filters {corpus.filters}": corpus.filters}
        if corpus.build is not None:
            build = make_build(corpus.build, config.out)
            paths = (*build.source.texts, *build.against, build.filters, build.reference)
            inputs |= {f"input {path}": path for path in paths if path}
            inputs |= {f"translator {corpus.build['translator']}": corpus.build["translator"]}
    inputs |= {f"encoder {name}": encoder.name for name, encoder in recipe.encoders.items()}
    inputs |= {f"data of suite {name}": suite.get("data") for name, suite in recipe.suites.items()}
    check_apart(config.out, inputs)
