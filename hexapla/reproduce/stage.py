"""A recipe -> everything that it asks for: plan, say what it takes, do what is missing, compare.

All state lies in the result folder: what stands there under the key of its content is done. So
going on after a kill is the same call again, and a changed recipe does only what it changed.
Corpora are made just before the first cell that needs them; a cell that fails leaves a hole and its
reason, and the others go on.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hexapla
from hexapla.build import build
from hexapla.build.committed import clear, locked
from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.reproduce.build_settings import make_build
from hexapla.reproduce.config import ReproduceConfig
from hexapla.reproduce.corpora import CorpusRecipe, build_key, make_corpus
from hexapla.reproduce.executors import Processes, Ray, Receipt
from hexapla.reproduce.experiments import Recipe, read_experiments
from hexapla.reproduce.job import Job, drop_weights, is_evaluated
from hexapla.reproduce.matrix import (
    BUILT,
    COMPARISONS,
    CORPORA,
    FORMAT,
    LOGS,
    Cell,
    align_config,
    evaluate_config,
    standing,
)
from hexapla.reproduce.matrix_estimate import Estimate, duration, estimate_cells
from hexapla.reproduce.results import compare_group, write_results
from hexapla.reproduce.run_plan import Plan, make_plan
from hexapla.runs.atomic import write_text
from hexapla.runs.recipe import find_recipe
from hexapla.runs.record import RUN, check_apart, check_folder_to_be, read_record, write_run

_log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of a recipe.

    Attributes:
        out: The result folder.
        n_cells: Of the whole matrix.
        n_done: Done by this call.
        failures: Why a cell failed, by its label.
        lacking: Why a comparison could not be made, by its name.
    """

    out: Path
    n_cells: int
    n_done: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def estimate(config: ReproduceConfig) -> tuple[Plan, Estimate]:
    """Plan a recipe and say what it will take, without making, loading or writing anything.

    Raises:
        InputError: As `reproduce`, but for the Hub and the result folder's own state, which do not
            count here.
    """
    plan = make_plan(read_experiments(config.recipe, config.data), dry_run=True)
    missing = [cell for cell in plan.cells if config.overwrite or _missing(cell, config.out)]
    there = None if config.overwrite else config.out
    return plan, estimate_cells(
        plan, missing, there, n_workers=config.workers, keep=config.keep_encoders
    )


def reproduce(config: ReproduceConfig, *, quiet: bool = False) -> Outcome:
    """Do what is missing of a recipe, and compare.

    Args:
        config: What to do.
        quiet: Say nothing of single cells.

    Returns:
        What became of it; its failures are in the comparisons and in `results.md` too.

    Raises:
        InputError: A recipe that will not do, or languages, encoders and data that it names and
            that are not there; a folder that holds something else or another version's results; too
            little disk. All of it before anything is made.
    """
    _check_page()
    text = find_recipe(config.recipe, "experiments").read_text(encoding="utf-8")
    recipe = read_experiments(config.recipe, config.data)
    _check_out(config)
    _check_apart(config, recipe)
    plan = make_plan(recipe)
    missing = [cell for cell in plan.cells if config.overwrite or _missing(cell, config.out)]
    there = None if config.overwrite else config.out
    expected = estimate_cells(
        plan, missing, there, n_workers=config.workers, keep=config.keep_encoders
    )
    _check_disk(config.out, expected)
    executor = (
        Processes(config.workers)
        if config.executor == "local"
        else Ray(config.workers, config.address, config.gpus)
    )
    with locked(config.out):
        if config.overwrite:
            clear(config.out)
        write_run(
            config.out,
            "reproduce",
            {
                "recipe": str(config.recipe),
                "data": config.data,
                "executor": config.executor,
                "workers": config.workers,
                "gpus": config.gpus,
            },
            format=FORMAT,
            keys=dataclasses.asdict(plan.keys),
        )
        write_text(config.out / "recipe.toml", text)
        for line in (*plan.lines(), *expected.lines()):
            _log.info("%s", line)
        runner = _Runner(config, plan, missing, quiet)
        for receipt in executor(runner.jobs()):
            runner.take(receipt)
        if not config.keep_encoders:  # also those that a kill left after their scores stood
            for cell in plan.cells:
                if cell.encoder_folder(config.out).is_dir() and not _missing(cell, config.out):
                    drop_weights(cell.encoder_folder(config.out))
        failures = {
            cell.key: runner.failures[cell.label]
            for cell in plan.cells
            if cell.label in runner.failures
        }
        lacking = write_results(plan, config.out, failures)
    return Outcome(
        out=config.out,
        n_cells=len(plan.cells),
        n_done=runner.n_done,
        failures=runner.failures,
        lacking=lacking,
    )


class _Runner:
    """What is to be done, in order, and what came of it."""

    def __init__(
        self, config: ReproduceConfig, plan: Plan, missing: list[Cell], quiet: bool
    ) -> None:
        self.config, self.plan, self.missing = config, plan, missing
        self.failures: dict[str, str] = {}
        self.n_done = 0
        self._quiet = quiet
        self._corpora: dict[str, Path | Exception] = {}
        self._started = time.monotonic()
        self._shown: set[str] = set()

    def jobs(self) -> Iterator[Job]:
        """Yield the missing cells' jobs, each when its corpus stands; those that lack it fail."""
        for cell in self.missing:
            corpus = None if cell.corpus is None else self._corpus(cell.corpus)
            if isinstance(corpus, Exception):
                self._fail(
                    cell.label, f"its corpus {cell.corpus} failed: {' '.join(str(corpus).split())}"
                )
                continue
            out = self.config.out
            yield Job(
                label=cell.label,
                log=out / LOGS / f"{cell.name}-{cell.key[:8]}.log",
                scores=cell.scores(out),
                align=align_config(self.plan.recipe, cell, str(corpus), out)
                if cell.is_trained
                else None,
                evaluate={
                    suite: evaluate_config(
                        self.plan.recipe, cell, suite, None if corpus is None else str(corpus), out
                    )
                    for suite, _ in cell.suites
                    if not is_evaluated(cell.score_folder(out, suite))
                },
                keep=self.config.keep_encoders,
            )

    def take(self, receipt: Receipt) -> None:
        """Count a job that came back, say so, and compare a group whose first seeds are all there."""
        if receipt.failure is not None:
            self._fail(receipt.job.label, f"{receipt.failure} ({receipt.job.log.name})")
            return
        lost = [
            suite
            for suite, config in receipt.job.evaluate.items()
            if not is_evaluated(Path(config.out))
        ]
        if lost:
            self._fail(
                receipt.job.label,
                f"done elsewhere: no scores of {', '.join(lost)} here; share the folder",
            )
            return
        self.n_done += 1
        told = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in receipt.took.items())
        self._say(f"{receipt.job.label}: {told}")
        for group in self.plan.groups:
            firsts = [cells[0] for cells in group.cells.values()]
            whole = all(
                is_evaluated(cell.score_folder(self.config.out, group.suite)) for cell in firsts
            )
            if whole and group.name not in self._shown:
                self._shown.add(group.name)
                if compare_group(group, self.plan, self.config.out, {}) is None:
                    _log.info("a first comparison: %s", self.config.out / COMPARISONS / group.name)

    def _fail(self, label: str, reason: str) -> None:
        self.failures[label] = reason
        _log.error("%s FAILED: %s", label, reason)

    def _say(self, line: str) -> None:
        n_left = len(self.missing) - self.n_done - len(self.failures)
        left = duration((time.monotonic() - self._started) / self.n_done * n_left)
        if not self._quiet:
            n = len(self.plan.cells) - n_left
            _log.info(
                "[%d/%d] %s%s",
                n,
                len(self.plan.cells),
                line,
                f"; about {left} left" if n_left else "",
            )

    def _corpus(self, name: str) -> Path | Exception:
        """Return where a corpus lies, made if need be, or why it cannot be."""
        if name not in self._corpora:
            started = time.monotonic()
            try:
                self._corpora[name] = self._make(name, self.plan.recipe.corpora[name])
            except (
                Exception
            ) as error:  # of this corpus alone: its cells fail with it, the others go on
                _log.debug("corpus %s", name, exc_info=True)
                self._corpora[name] = error
            self._started += time.monotonic() - started  # no part of what a cell takes
        return self._corpora[name]

    def _make(self, name: str, recipe: CorpusRecipe) -> Path:
        folder = standing(self.config.out / CORPORA, name, self.plan.keys.corpora[name])
        if recipe.build is None:
            if recipe.is_whole:
                return Path(recipe.path[0])
            make_corpus(recipe, folder)
            return folder
        built = standing(
            self.config.out / CORPORA, BUILT, build_key(recipe.build)
        )  # sweeps share it
        if not (built / MANIFEST).is_file():
            _log.info("building corpus %s", name)
            where = {
                "executor": self.config.executor,
                "address": self.config.address,
                "workers": self.config.workers,
            }
            begun = (make_build(recipe.build, built).work / RUN).is_file()
            build(make_build(recipe.build, built, **where, resume=begun), quiet=self._quiet)
        part = _part_of(recipe, built)
        if part.is_whole and part.languages is None:
            return built
        make_corpus(part, folder)
        return folder


def _part_of(recipe: CorpusRecipe, built: Path) -> CorpusRecipe:
    """Return the recipe of what is taken from a corpus once it is built."""
    n_there = len(open_corpus(built))
    settings = {**vars(recipe), "build": None, "path": (str(built),)}
    if recipe.n_rows is not None and recipe.n_rows >= n_there:
        settings["n_rows"] = None  # filters and near-duplicates leave fewer than were asked for
    if recipe.n_cells is not None:
        n_languages = recipe.n_languages or len(recipe.languages or open_corpus(built).languages)
        settings["n_cells"] = min(recipe.n_cells, n_there * n_languages)
    return CorpusRecipe(**settings)


def _missing(cell: Cell, out: Path) -> bool:
    return not all(is_evaluated(cell.score_folder(out, suite)) for suite, _ in cell.suites)


def _check_page() -> None:
    try:
        import altair  # noqa: F401
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        message = f"the pages need the library {error.name}; install it with: pip install 'hexapla[report]'"
        raise InputError(message) from None


def _check_out(config: ReproduceConfig) -> None:
    """Refuse a folder that is not to be touched."""
    out = config.out
    check_folder_to_be(out)
    if not out.is_dir() or not any(path.name != ".lock" for path in out.iterdir()):
        return
    run = read_record(out)
    if run.get("command") != "reproduce":
        raise InputError(
            f"{out}: not empty, and what it holds are no results of reproduce; give another folder"
        )
    if config.overwrite:
        return
    if run.get("format") != FORMAT:
        raise InputError(
            f"{out}: holds results of format {json.dumps(run.get('format'))}; this version ({hexapla.__version__}) has "
            f"format {FORMAT}; give another folder, or --overwrite drops them"
        )
    if not config.resume:
        raise InputError(
            f"{out}: holds results; --resume goes on with them, also by a changed recipe, and --overwrite drops them"
        )


def _check_apart(config: ReproduceConfig, recipe: Recipe) -> None:
    """Refuse to drop a folder that holds what is to be read."""
    if not config.overwrite:
        return
    inputs = {"recipe": config.recipe, "data": config.data}
    for corpus in recipe.corpora.values():
        inputs |= {f"corpus {path}": path for path in corpus.path} | {
            f"filters {corpus.filters}": corpus.filters
        }
        if corpus.build is not None:
            build = make_build(corpus.build, config.out)
            inputs |= {
                f"input {path}": path
                for path in (*build.source.texts, *build.against, build.filters)
            }
            inputs |= {f"translator {corpus.build['translator']}": corpus.build["translator"]}
    inputs |= {f"encoder {name}": encoder.name for name, encoder in recipe.encoders.items()}
    inputs |= {f"data of suite {name}": suite.get("data") for name, suite in recipe.suites.items()}
    check_apart(config.out, inputs)


def _check_disk(out: Path, expected: Estimate) -> None:
    there = next(path for path in (out, *out.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free / 2**20
    if expected.disk_mib > free:
        raise InputError(
            f"{out}: {expected.disk_mib / 1024:,.1f} GiB are needed and {free / 1024:,.1f} GiB are free; give another "
            "folder, drop the encoders (--no-keep-encoders), or name fewer seeds"
        )
