"""An encoder and evaluation data -> scores with a signature, in a score folder.

All that can be refused is refused before the encoder is loaded; then `run.json` is written, every distinct text is
embedded once, and every task is scored from those vectors. `scores.jsonl` comes last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Task as RichTask
from rich.text import Text

import hexapla
from hexapla import languages as codes
from hexapla.encoder import EncoderFacts, Task, describe, load_encoder
from hexapla.errors import InputError, nearest
from hexapla.evaluate.bitext import BitextTask, Pairs, read_bitext
from hexapla.evaluate.inputs import Measurement
from hexapla.evaluate.scores import (
    Score,
    check_no_scores,
    per_item_path,
    remove_scores,
    signature,
    write_scores,
)
from hexapla.evaluate.sts import StsTask, read_sts
from hexapla.evaluate.topics import TopicsTask, read_topics
from hexapla.evaluate.vectors import Vectors
from hexapla.run import write_run

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Suite = Literal["bitext", "sts", "topics", "dev", "test"]
AnyTask = BitextTask | StsTask | TopicsTask

_KINDS: dict[type[AnyTask], Task] = {BitextTask: "BitextMining", StsTask: "STS", TopicsTask: "Classification"}


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate on what.

    Attributes:
        encoder: Anything that loads as a sentence encoder: a name on the Hub or a folder.
        out: The score folder to write.
        suite: `bitext`, `sts` or `topics` for data of your own; `dev` and `test` for the tables in `_SUITES`.
        data: For bitext what `open_corpus` takes, or a folder of two-column `LANG.parquet`; for sts a folder of
            `LANG.parquet` with `sentence1`, `sentence2`, `score`; for topics a folder with `train.parquet` and
            `test.parquet`; for dev and test a folder with `sib200`, `stsb-mt` and `tatoeba` in it.
        languages: The languages to measure next to the pivot (English in sts and topics); all that the data have by
            default. dev and test use each language where it occurs.
        seen: The languages that alignment training saw; by default what the encoder says of itself. An empty tuple says
            that it saw none; not knowing is None.
        pairs: `pivot` measures the pivot with every other language, `all` every two languages.
        split: bitext only: `all` rows, or those that training with `held_out_share` leaves out.
        held_out_share: Share of the rows held out, 0 to 1.
        overwrite: Replace what an earlier evaluation left in `out`.
        trust_remote_code: Let the encoder run code that comes with it.
        allow_pickle: Load weights that are not safetensors.
        max_tokens: Cut texts at this length; the encoder's own by default.
        batch_size: Texts in one forward pass.
        seed: Of the draws in topics; 42 is MTEB's.
    """

    encoder: str
    out: str | Path
    suite: Suite
    data: str | Path
    languages: tuple[str, ...] | None = None
    seen: tuple[str, ...] | None = None
    pairs: Pairs = "pivot"
    split: Literal["all", "held-out"] = "all"
    held_out_share: float = 0.05
    overwrite: bool = False
    trust_remote_code: bool = False
    allow_pickle: bool = False
    max_tokens: int | None = None
    batch_size: int = 256
    seed: int = 42

    def __post_init__(self) -> None:
        """Check every value by itself, and bring the languages into their canonical form."""
        for field, value, allowed in (
            ("suite", self.suite, get_args(Suite)),
            ("pairs", self.pairs, get_args(Pairs)),
            ("split", self.split, ("all", "held-out")),
        ):
            if value not in allowed:
                raise InputError(f"{field} is {value!r}; it must be {', '.join(allowed)}{nearest(value, allowed)}")
        if self.split == "held-out" and self.suite != "bitext":
            raise InputError(f"split is held-out and suite is {self.suite}; only bitext has held-out rows")
        if not 0 < self.held_out_share < 1:
            raise InputError(f"held_out_share is {self.held_out_share}; it must lie between 0 and 1")
        if self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}; it must be at least 1")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed is {self.seed}; it must be 0 to {2**32 - 1}")
        for field, given in (("languages", self.languages), ("seen", self.seen)):
            if given:
                object.__setattr__(self, field, codes.parse_list(given))


# What the two suites measure: kind, name, split, path under the data folder.
_SUITES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "dev": (
        ("bitext", "sib200", "train", "sib200/train.parquet"),
        ("sts", "stsb-mt", "dev", "stsb-mt/dev"),
    ),
    "test": (
        ("bitext", "sib200", "test", "sib200/test.parquet"),
        ("bitext", "tatoeba", "test", "tatoeba"),
        ("sts", "stsb-mt", "test", "stsb-mt/test"),
        ("topics", "sib200", "test", "sib200"),
    ),
}


def evaluate(config: EvaluateConfig, *, quiet: bool = False) -> list[Score]:
    """Measure an encoder and write the scores.

    Args:
        config: What to evaluate on what.
        quiet: Show no progress; there is none either when stderr is no terminal.

    Returns:
        The scores, as they were written to `config.out`.

    Raises:
        InputError: Data, languages, encoder or output folder that cannot be used.
    """
    out = Path(config.out)
    _check_out(out, overwrite=config.overwrite)
    facts = describe(config.encoder)
    tasks = _read_tasks(config)
    seen = config.seen if config.seen is not None else facts.languages or None
    model = load_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        max_tokens=config.max_tokens,
    )
    remove_scores(out)
    write_run(
        out,
        "evaluate",
        dataclasses.asdict(config),
        encoder=dataclasses.asdict(facts),
        data=sorted({(task.name, task.split, task.data_sha) for task in tasks}),
        seed=config.seed,
    )
    prompts = {kind: _prompt(model, kind) for kind in get_args(Task)}
    scores: list[Score] = []
    tables: dict[str, pa.Table] = {}
    for kind, measurement in _measure(model, prompts, tasks, batch_size=config.batch_size, quiet=quiet):
        path = per_item_path(measurement.task, measurement.split, measurement.languages)
        tables[path] = pa.table({"item": list(measurement.items), **measurement.columns})
        origin = _origin(model, prompts[kind])
        scores += [_score(measurement, metric, path, facts, seen, origin) for metric in measurement.metrics]
    write_scores(scores, tables, out, overwrite=config.overwrite)
    return scores


def _check_out(out: Path, *, overwrite: bool) -> None:
    check_no_scores(out, overwrite=overwrite)
    if not overwrite and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; give another folder, or overwrite (--overwrite)")


def _read_tasks(config: EvaluateConfig) -> list[AnyTask]:
    """Read all data, and check that every language asked for is measured somewhere."""
    root = Path(config.data)
    if config.suite in _SUITES:
        missing = [str(root / path) for *_, path in _SUITES[config.suite] if not (root / path).exists()]
        if missing:
            raise InputError(f"suite {config.suite} needs {', '.join(missing)}; there is no such file or folder")
        rows = [(kind, name, split, str(root / path)) for kind, name, split, path in _SUITES[config.suite]]
    else:
        name = "sample" if str(config.data) == "sample" else root.resolve().stem
        split = f"held-out-{config.held_out_share:g}" if config.split == "held-out" else "all"
        rows = [(config.suite, name, split, str(config.data))]
    tasks = [task for row in rows for task in _read_task(config, *row)]
    if set(config.languages or ()).difference(*(task.languages for task in tasks)):
        whole = dataclasses.replace(config, languages=None)
        there = {code for row in rows for task in _read_task(whole, *row) for code in task.languages}
        if absent := [code for code in config.languages or () if code not in there]:
            raise InputError(f"{config.data} has no {', '.join(absent)}; it has {', '.join(sorted(there))}")
    if not any(task.n_measurements for task in tasks):
        raise InputError(f"{config.data}: nothing to measure; bitext needs a language next to the pivot")
    return tasks


def _read_task(config: EvaluateConfig, kind: str, name: str, split: str, path: str) -> Sequence[AnyTask]:
    if kind == "bitext":
        share = config.held_out_share if config.split == "held-out" else None
        return read_bitext(
            path, name=name, split=split, languages=config.languages, pairs=config.pairs, held_out_share=share
        )
    if kind == "sts":
        return read_sts(path, name=name, split=split, languages=config.languages, pairs=config.pairs)
    return read_topics(path, name=name, split=split, languages=config.languages, seed=config.seed)


def _measure(
    model: SentenceTransformer, prompts: dict[Task, str], tasks: Sequence[AnyTask], *, batch_size: int, quiet: bool
) -> Iterator[tuple[Task, Measurement]]:
    vectors = Vectors(prompts, (group for task in tasks for group in task.prompted()))
    with _progress(quiet=quiet) as progress:
        embedding = progress.add_task("embedding", total=len(vectors), unit="sentences")
        scoring = progress.add_task("scoring", total=sum(task.n_measurements for task in tasks), unit="pairs")
        vectors.embed(model, batch_size=batch_size, advance=partial(progress.advance, embedding))
        for task in tasks:
            kind = _KINDS[type(task)]
            for measurement in task.measure(partial(vectors.of, kind)):
                progress.advance(scoring)
                yield kind, measurement


class _Rate(ProgressColumn):
    """The unit of a task and how many of it are done in a second, once that is known."""

    def render(self, task: RichTask) -> Text:
        """Return as `sentences, 540/s`."""
        return Text(task.fields["unit"] + (f", {task.speed:,.0f}/s" if task.speed else ""))


def _progress(*, quiet: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )


def _prompt(model: SentenceTransformer, kind: Task) -> str:
    """Return what the encoder puts before a text: the prompt of the kind of task, else its default, else nothing."""
    return model.prompts.get(kind) or model.prompts.get(model.default_prompt_name or "") or ""


def _origin(model: SentenceTransformer, prompt: str) -> dict[str, object]:
    """Return the part of a signature that tells of the encoder and the software."""
    return {
        "prompt": prompt or None,
        "max_tokens": model.max_seq_length,
        "dtype": str(model.dtype).removeprefix("torch."),
        "hexapla": hexapla.__version__,
        "sentence-transformers": version("sentence-transformers"),
        "torch": version("torch"),
    }


def _score(
    measured: Measurement,
    metric: str,
    path: str,
    facts: EncoderFacts,
    seen: Sequence[str] | None,
    origin: Mapping[str, object],
) -> Score:
    fields = {
        "task": measured.task,
        "data": measured.data_sha,
        "split": measured.split,
        "languages": measured.languages,
        "metric": metric,
        **measured.settings,
        "n": len(measured.items),
        **origin,
    }
    parts = (measured.languages,) if codes.is_language(measured.languages) else codes.split_pair(measured.languages)
    return Score(
        task=measured.task,
        metric=metric,
        value=measured.metrics[metric],
        n=len(measured.items),
        languages=measured.languages,
        seen=None if seen is None else set(parts) <= set(seen),
        split=measured.split,
        encoder=facts.name,
        encoder_sha=facts.sha256,
        corpus=facts.corpus,
        regime=facts.regime,
        seed=facts.seed,
        signature=signature(fields),
        per_item=path,
    )
