"""A corpus folder -> a cleaner one, and beside it what was rejected and why: `hexapla filter`.

The corpus is read twice, for the statistics and for the verdicts, and never held whole. Rows that
an evaluation set has and near-duplicates go first, so that they are not counted as losses of a
language.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

from hexapla.corpus.contamination import Contamination
from hexapla.corpus.near_duplicates import NearDuplicates
from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.corpus.rows import row_id
from hexapla.corpus.writer import check_out_folder, write_corpus
from hexapla.errors import InputError
from hexapla.filters.chain import Chain, Verdict
from hexapla.filters.config import FilterConfig, Policy
from hexapla.filters.filter_report import FilterReport
from hexapla.filters.filter_settings import FilterSettings, read_filters
from hexapla.filters.statistics import Statistics
from hexapla.text import languages as codes

Row = dict[str, str | None]

REJECTED = "rejected"
LOG_PROB = "meta.log_prob."
_N_ROWS = 2048  # judged at once


def filter_corpus(config: FilterConfig, quiet: bool = False) -> FilterReport:
    """Filter a corpus into a new folder.

    Args:
        config: What to filter and how.
        quiet: Show no progress, and no report when a language loses too much.

    Returns:
        What was rejected; `corpus.json` has it too, and `rejected/` the cells themselves.

    Raises:
        InputError: A setting or a corpus that cannot be, or a language that loses more than it may:
            nothing is written.
    """
    check_out_folder(config.out, config.overwrite)
    settings = read_filters(config.filters)
    seen = NearDuplicates(config.near_duplicates) if config.near_duplicates is not None else None
    corpus = _open(config)
    contamination = Contamination.load(config.against, corpus.languages) if config.against else None
    targets = [code for code in corpus.languages if code != corpus.pivot]
    facts = _facts(config, settings, contamination)
    report = FilterReport()
    with _rejected_files(config.out, (*targets, "rows")) as files:
        chain = Chain(settings, corpus.pivot, corpus.languages, _statistics(corpus, targets, quiet))
        report.notes = chain.notes
        work = _Filtering(corpus, chain, report, files, config.policy, seen, contamination)

        def finish(folder: Path) -> Mapping[str, object]:
            (folder / REJECTED).mkdir()
            for file in files.values():
                file.close()
                os.replace(file.name, folder / REJECTED / Path(file.name).name)
            return {"filters": [*corpus.manifest.get("filters", ()), facts | report.to_json()]}

        def kept() -> Iterator[Row]:
            for rows in _in_groups(corpus, "filtering", quiet):
                yield from work.kept(rows)
            report.check(config.max_loss, quiet)

        made = corpus.manifest.get("columns", {})
        write_corpus(
            kept(),
            config.out,
            languages=corpus.languages,
            pivot=corpus.pivot,
            columns={code: made[code] for code in corpus.languages if code in made},
            overwrite=config.overwrite,
            license=config.license or corpus.manifest.get("license"),
            finish=finish,
        )
    return report


@contextmanager
def _rejected_files(out: Path, names: Sequence[str]) -> Iterator[dict[str, IO[str]]]:
    """Open a file for each of `names` in a hidden folder beside `out`, which goes away at the end.

    What was rejected may be as large as the corpus: there it has room, and need not be copied to
    become part of it.
    """
    final = Path(os.path.realpath(out))  # a link may lead to another file system
    with ExitStack() as stack:
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            beside = tempfile.TemporaryDirectory(
                prefix=f".{final.name}.", suffix=".rejected", dir=final.parent
            )
        except OSError as error:
            raise InputError(
                f"no folder can be made in {final.parent}: {error.strerror}"
            ) from error
        folder = Path(stack.enter_context(beside))
        yield {
            name: stack.enter_context(
                (folder / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n")
            )
            for name in names
        }


def _statistics(corpus: Corpus, targets: Sequence[str], quiet: bool) -> Statistics:
    """Read the corpus once, for what is normal in each of its languages."""
    statistics = Statistics()
    for rows in _in_groups(corpus, "reading", quiet):
        sources = [str(row[corpus.pivot]) for row in rows]
        for code in targets:
            statistics.add(code, sources, [row[code] for row in rows], _log_probs(rows, code))
    return statistics


class _Filtering:
    """One pass over the rows: what stays is yielded, what does not is noted."""

    def __init__(
        self,
        corpus: Corpus,
        chain: Chain,
        report: FilterReport,
        files: Mapping[str, IO[str]],
        policy: Policy,
        seen: NearDuplicates | None,
        contamination: Contamination | None,
    ) -> None:
        self.pivot = corpus.pivot
        self.targets = [code for code in corpus.languages if code != corpus.pivot]
        self.chain, self.report, self.files, self.policy = chain, report, files, policy
        self.seen, self.contamination = seen, contamination

    def kept(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield the rows that stay, without their rejected cells."""
        rows = [row for row in rows if not self._leaves(row)]
        sources = [str(row[self.pivot]) for row in rows]
        rejected: list[list[str]] = [[] for _ in rows]
        for code in self.targets:
            cells = [row[code] for row in rows]
            verdicts = self.chain.judge(code, sources, cells, _log_probs(rows, code))
            self.report.add(code, sources, cells, verdicts)
            for row, verdict, lost in zip(rows, verdicts, rejected, strict=True):
                if verdict is not None:
                    self._note_cell(row, code, verdict)
                    lost.append(code)
        for row, lost in zip(rows, rejected, strict=True):
            if lost and self.policy == "drop-row":
                self._note_row(row, "rejected cell", f"rejected: {', '.join(lost)}")
            else:
                yield row | dict.fromkeys(lost)

    def _leaves(self, row: Row) -> bool:
        """Say whether a row leaves whole, whatever its cells are worth."""
        pivot = str(row[self.pivot])
        if self.contamination and (
            match := self.contamination.match([pivot, *(row[code] for code in self.targets)])
        ):
            self._note_row(
                row, f"in {match.set_name}", f"in {match.set_name} ({match.how}): {match.sentence}"
            )
            return True
        if self.seen is not None and (earlier := self.seen.add(pivot, row_id(pivot))) is not None:
            self._note_row(row, "near-duplicate", f"near-duplicate of {earlier}")
            return True
        return False

    def _note_cell(self, row: Row, code: str, verdict: Verdict) -> None:
        source = str(row[self.pivot])
        entry = {
            "row_id": row_id(source),
            "source": source,
            "cell": row[code],
            "reason": verdict.reason,
        }
        write_line(self.files[code], entry | {"score": round(verdict.score, 4)})

    def _note_row(self, row: Row, counted_as: str, reason: str) -> None:
        self.report.add_row_losses(counted_as)
        texts = {code: row[code] for code in (self.pivot, *self.targets)}
        write_line(
            self.files["rows"],
            {"row_id": row_id(str(row[self.pivot])), "reason": reason, "row": texts},
        )


def _open(config: FilterConfig) -> Corpus:
    """Open the corpus with the columns asked for and its pivot."""
    corpus = open_corpus(config.corpus)
    if config.languages is None:
        return corpus
    asked = codes.parse_list(config.languages)
    return open_corpus(
        config.corpus, languages=list(dict.fromkeys([corpus.pivot, *asked])), verify=False
    )


def _facts(
    config: FilterConfig, settings: FilterSettings, contamination: Contamination | None
) -> dict[str, object]:
    """Return what the filters were, for `corpus.json`."""
    return {
        "settings": settings.to_json(),
        "policy": config.policy,
        "max_loss": config.max_loss,
        "near_duplicates": config.near_duplicates,
        "against": contamination.facts() if contamination else [],
    }


def _in_groups(corpus: Corpus, verb: str, quiet: bool) -> Iterator[list[Row]]:
    """Yield the rows in groups, with a bar on the terminal unless it is none."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn(f"{verb} {corpus.name}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    rows = corpus.rows()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        bar = progress.add_task(verb, total=corpus.n_rows)
        while group := list(islice(rows, _N_ROWS)):
            yield group
            progress.advance(bar, len(group))


def _log_probs(rows: Sequence[Row], code: str) -> list[float | None] | None:
    """Return the log-probabilities that a build noted for a column, None if it noted none."""
    key = f"{LOG_PROB}{code}"
    if not rows or key not in rows[0]:
        return None
    return [_as_number(row[key], key) for row in rows]


def _as_number(text: str | None, key: str) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise InputError(f'{key} is "{text}" in a row; it must be a number or null') from None


def write_line(file: IO[str], entry: Mapping[str, object]) -> None:
    """Write an entry as a line of JSON."""
    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
