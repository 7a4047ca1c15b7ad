"""The missing cells of a plan as jobs, in order, and what came of them.

A corpus is made just before the first cell that needs it. A cell that fails leaves a gap and its
reason, and the others continue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from hexapla.build import build
from hexapla.corpus.manifest import MANIFEST
from hexapla.corpus.reader import open_corpus
from hexapla.reproduce.build_settings import make_build
from hexapla.reproduce.cell_settings import align_config, evaluate_config
from hexapla.reproduce.config import ReproduceConfig
from hexapla.reproduce.content_keys import build_key
from hexapla.reproduce.corpora import make_corpus
from hexapla.reproduce.corpus_recipe import CorpusRecipe
from hexapla.reproduce.group_comparison import compare_group
from hexapla.reproduce.job import CellJob, is_evaluated
from hexapla.reproduce.job_worker import CellResult
from hexapla.reproduce.matrix import MatrixCell
from hexapla.reproduce.matrix_plan import MatrixPlan
from hexapla.reproduce.result_folder import BUILT, COMPARISONS, CORPORA, LOGS, keyed_folder
from hexapla.runs.executors import Receipt
from hexapla.runs.progress import Bar, Progress
from hexapla.runs.record import RUN_FILE

_log = logging.getLogger(__name__)


class MatrixRunner:
    """What is to be done of a plan, and what has been done.

    Args:
        config: The reproduction.
        plan: Its plan.
        missing: The cells to do.
        progress: Where the number of cells is shown.
        quiet: Say nothing about single cells.

    Attributes:
        failures: Why cells failed, by their labels.
        n_done: How many cells were done.
    """

    def __init__(
        self,
        config: ReproduceConfig,
        plan: MatrixPlan,
        missing: Sequence[MatrixCell],
        progress: Progress,
        quiet: bool,
    ) -> None:
        self.config, self.plan, self.missing, self.quiet = config, plan, missing, quiet
        self.failures: dict[str, str] = {}
        self.n_done = 0
        self._progress = progress
        self._bar: Bar | None = None
        self._corpora: dict[str, Path | Exception] = {}
        self._compared: set[str] = set()

    def jobs(self) -> Iterator[CellJob]:
        """Yield the job of each missing cell when its corpus is there.

        A cell whose corpus failed fails too.
        """
        for cell in self.missing:
            corpus = None if cell.corpus is None else self._corpus(cell.corpus)
            if isinstance(corpus, Exception):
                reason = " ".join(str(corpus).split())
                self._fail(cell.label, f"its corpus {cell.corpus} failed: {reason}")
                continue
            if self._bar is None:  # the time to make the first corpora is not counted
                self._bar = self._progress.add("cells", len(self.plan.cells), unit="cells")
                self._bar.skip(len(self.plan.cells) - len(self.missing))
            yield self._job(cell, corpus)

    def take(self, receipt: Receipt[CellJob, CellResult]) -> None:
        """Count a job that came back, and compare a group whose first seeds are all done."""
        job, result = receipt.task, receipt.result
        if self._bar is not None:
            self._bar.advance()
        failure = f"its process died ({receipt.death})" if result is None else result.failure
        if failure or result is None:
            self._fail(job.label, f"{failure} ({job.log.name})")
            return
        lost = [suite for suite, config in job.evaluate.items() if not is_evaluated(config.out)]
        if lost:
            self._fail(
                job.label,
                f"done elsewhere: no scores of {', '.join(lost)} here; share the folder",
            )
            return
        self.n_done += 1
        if not self.quiet:
            stages = (f"{stage} {seconds:.0f} s" for stage, seconds in result.seconds.items())
            _log.info("%s: %s", job.label, ", ".join(stages))
        self._compare_first_seeds()

    def _job(self, cell: MatrixCell, corpus: Path | None) -> CellJob:
        recipe, out = self.plan.recipe, self.config.out
        path = None if corpus is None else str(corpus)
        return CellJob(
            label=cell.label,
            log=out / LOGS / f"{cell.name}-{cell.key[:8]}.log",
            scores=cell.scores_folder(out),
            align=align_config(recipe, cell, str(path), out) if cell.is_trained else None,
            evaluate={
                suite: evaluate_config(recipe, cell, suite, path, out)
                for suite, _ in cell.suites
                if not is_evaluated(cell.score_folder(out, suite))
            },
            keep=self.config.keep_encoders,
        )

    def _compare_first_seeds(self) -> None:
        out = self.config.out
        for group in self.plan.groups:
            first_cells = (cells[0] for cells in group.cells.values())
            if group.name not in self._compared and all(
                is_evaluated(cell.score_folder(out, group.suite)) for cell in first_cells
            ):
                self._compared.add(group.name)
                if not compare_group(group, self.plan, out, {}):
                    _log.info("a first comparison: %s", out / COMPARISONS / group.name)

    def _fail(self, label: str, reason: str) -> None:
        self.failures[label] = reason
        _log.error("%s FAILED: %s", label, reason)

    def _corpus(self, name: str) -> Path | Exception:
        """Return the path of a corpus, which is made if need be, or why it cannot be made."""
        if name not in self._corpora:
            try:
                self._corpora[name] = self._make(name, self.plan.recipe.corpora[name])
            except Exception as error:  # its cells fail with it, and the others continue
                _log.debug("corpus %s", name, exc_info=True)
                self._corpora[name] = error
        return self._corpora[name]

    def _make(self, name: str, recipe: CorpusRecipe) -> Path:
        out = self.config.out / CORPORA
        folder = keyed_folder(out, name, self.plan.keys.corpora[name])
        if recipe.build is None:
            if recipe.is_whole:
                return Path(recipe.path[0])
            make_corpus(recipe, folder)
            return folder
        built = keyed_folder(out, BUILT, build_key(recipe.build))  # a sweep shares it
        if not (built / MANIFEST).is_file():
            _log.info("building corpus %s", name)
            where = {
                "executor": self.config.executor,
                "address": self.config.address,
                "workers": self.config.workers,
            }
            is_begun = (make_build(recipe.build, built).work / RUN_FILE).is_file()
            build(make_build(recipe.build, built, **where, resume=is_begun), quiet=self.quiet)
        part = _part_of(recipe, built)
        if part.is_whole and part.languages is None:
            return built
        make_corpus(part, folder)
        return folder


def _part_of(recipe: CorpusRecipe, built: Path) -> CorpusRecipe:
    """Return what a recipe takes from its corpus now that it is built."""
    corpus = open_corpus(built)
    settings = {**vars(recipe), "build": None, "path": (str(built),)}
    if recipe.n_rows is not None and recipe.n_rows >= len(corpus):
        settings["n_rows"] = None  # filters and near-duplicates left fewer than were asked for
    if recipe.n_cells is not None:
        n_languages = recipe.n_languages or len(recipe.languages or corpus.languages)
        settings["n_cells"] = min(recipe.n_cells, len(corpus) * n_languages)
    return CorpusRecipe(**settings)
