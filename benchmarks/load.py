"""Measure memory and time of the streaming commands as their input grows, and two large runs.

In: rows whose cells are three sentences of the packaged sample, chosen at random, so that all rows
differ and none is a near-duplicate of another.
Out: for `streams`, each command at three sizes: seconds of CPU and peak memory, each in a new
process. A command that streams takes as long for every row that is added, and no more memory. For
`filter` and `mine`, one run of the size given.

    python -m benchmarks.load [streams filter mine] [--rows 2000000] [--sentences 200000]
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from benchmarks.kept import keep
from hexapla.corpus import open_corpus

LANGUAGES = ("eng_Latn", "deu_Latn", "fra_Latn")
SIZES = (20_000, 40_000, 80_000)
DIM, MEMORY_MIB = 384, 512
"""Dimensions of the vectors, and what the exact search of `mine` may take besides them."""


class Cost(NamedTuple):
    """What a command took: wall-clock and CPU seconds, and its peak memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def rows(n: int, seed: int = 0, languages: Sequence[str] = LANGUAGES) -> Iterator[tuple[str, ...]]:
    """Yield n distinct rows of some languages."""
    corpus = open_corpus("sample")
    columns = [[str(cell) for cell in corpus.cells(code)] for code in languages]
    draw = random.Random(seed)
    seen: set[int] = set()
    n_sentences = len(columns[0])
    while len(seen) < n:
        number = draw.randrange(n_sentences**3)
        if number in seen:
            continue
        seen.add(number)
        places = (
            number % n_sentences,
            number // n_sentences % n_sentences,
            number // n_sentences**2,
        )
        yield tuple(" ".join(column[place] for place in places) for column in columns)


def write_tsv(path: Path, n: int, seed: int = 0) -> None:
    """Write rows as a TSV file with a header."""
    with path.open("w", encoding="utf-8") as file:
        file.write("\t".join(LANGUAGES) + "\n")
        file.writelines("\t".join(row) + "\n" for row in rows(n, seed))


def write_tmx(path: Path, n: int) -> None:
    """Write rows as a translation memory."""
    with path.open("w", encoding="utf-8") as file:
        file.write('<tmx version="1.4"><header srclang="en"/><body>\n')
        for row in rows(n):
            variants = "".join(
                f'<tuv xml:lang="{code[:3]}"><seg>{cell.replace("&", "&amp;").replace("<", "&lt;")}'
                "</seg></tuv>"
                for code, cell in zip(LANGUAGES, row, strict=True)
            )
            file.write(f"<tu>{variants}</tu>\n")
        file.write("</body></tmx>\n")


def write_sides(folder: Path, n: int) -> tuple[Path, Path]:
    """Write two sides to mine, of which the second is the translation of the first in new order."""
    paths = (folder / "source.txt", folder / "target.txt")
    for column, path in enumerate(paths):
        cells = [row[column] for row in rows(n)]
        if column:
            random.Random(1).shuffle(cells)
        path.write_text("".join(f"{cell}\n" for cell in cells), encoding="utf-8")
    return paths


def run(*arguments: str | Path) -> Cost:
    """Run a command of hexapla in a new process, and return what it took."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "hexapla", *map(str, arguments), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(
        seconds=time.perf_counter() - started,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
    )


def streams(folder: Path) -> None:
    """Print what each streaming command takes at each size."""
    costs: dict[str, list[Cost]] = {}
    for n in SIZES:
        place = folder / str(n)
        place.mkdir()
        tsv, tmx, corpus = place / "rows.tsv", place / "rows.tmx", place / "corpus"
        write_tsv(tsv, n)
        write_tmx(tmx, n)
        source, target = write_sides(place, n // 10)
        commands: dict[str, tuple[str | Path, ...]] = {
            "import TSV": ("import", tsv, "--out", corpus),
            "import TMX": ("import", tmx, "--out", place / "from-tmx"),
            "filter": ("filter", corpus, "--out", place / "filtered", "--max-loss", "1"),
            "filter, near-duplicates kept": (
                *("filter", corpus, "--out", place / "kept", "--max-loss", "1"),
                *("--near-duplicates", "0"),
            ),
            "inspect": ("inspect", corpus),
            "evaluate (a tenth of the rows)": (
                *("evaluate", "tiny", "--suite", "bitext", "--data", place / "tenth"),
                *("--out", place / "scores"),
            ),
            "mine (a tenth of the rows)": (
                *("mine", source, target, "--encoder", "tiny", "--out", place / "bitext.tsv"),
                *("--memory-mib", "64"),
            ),
        }
        write_tsv(place / "tenth.tsv", n // 10)
        run("import", place / "tenth.tsv", "--out", place / "tenth")
        for name, command in commands.items():
            costs.setdefault(name, []).append(run(*command))
    print(f"{'command':<32}{'rows':>8}{'CPU s':>8}{'ms per added row':>18}{'peak MiB':>10}")
    for name, measured in costs.items():
        before: tuple[int, Cost] | None = None
        for n, cost in zip(SIZES, measured, strict=True):
            added = ""
            if before is not None:
                more_s, more_rows = cost.cpu_seconds - before[1].cpu_seconds, n - before[0]
                added = f"{1000 * more_s / more_rows:.3f}"
            print(f"{name:<32}{n:>8,}{cost.cpu_seconds:>8.1f}{added:>18}{cost.peak_mib:>10,.0f}")
            keep(f"{name}, {n:,} rows, CPU", [cost.cpu_seconds], "s")
            before = n, cost


def filter_rows(folder: Path, n: int) -> None:
    """Filter one large corpus."""
    tsv, corpus = folder / "large.tsv", folder / "large"
    write_tsv(tsv, n)
    print_cost(f"import of {n:,} rows", run("import", tsv, "--out", corpus))
    tsv.unlink()
    cost = run("filter", corpus, "--out", folder / "clean", "--max-loss", "1")
    print_cost(f"filter of {n:,} rows", cost)
    print(f"{len(open_corpus(folder / 'clean', verify=False)):,} rows were kept")


def mine_sentences(folder: Path, n: int) -> None:
    """Mine two large sides within little memory, with an encoder that costs next to nothing."""
    source, target = write_sides(folder, n)
    encoder, out = folder / "static", folder / "bitext.tsv"
    write_static_encoder(encoder)
    cost = run(
        *("mine", source, target, "--encoder", encoder, "--out", out, "--search", "exact"),
        *("--memory-mib", str(MEMORY_MIB)),
    )
    print_cost(f"mine {n:,} x {n:,} sentences, --memory-mib {MEMORY_MIB}", cost)


def write_static_encoder(folder: Path) -> None:
    """Write an encoder that takes the mean of a random vector for each piece of a text."""
    code = (
        "import sys, torch, tokenizers, sentence_transformers as st\n"
        "from sentence_transformers.sentence_transformer.modules import StaticEmbedding\n"
        "torch.manual_seed(0)\n"
        "pieces = tokenizers.Tokenizer.from_file(sys.argv[1])\n"
        "words = StaticEmbedding(pieces, embedding_dim=int(sys.argv[2]))\n"
        "st.SentenceTransformer(modules=[words]).save_pretrained(sys.argv[3])\n"
    )
    tokenizer = Path(str(resources.files("hexapla"))) / "data" / "tiny" / "tokenizer.json"
    # In a process of its own, since a process inherits its parent's peak of memory.
    subprocess.run([sys.executable, "-c", code, tokenizer, str(DIM), folder], check=True)


def print_cost(what: str, cost: Cost) -> None:
    """Print one line of a large run."""
    print(
        f"{what}: {cost.seconds:,.0f} s ({cost.cpu_seconds:,.0f} s of CPU), "
        f"peak {cost.peak_mib:,.0f} MiB",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("which", nargs="*", default=["streams", "filter", "mine"])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--sentences", type=int, default=200_000)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "streams" in given.which:
            streams(folder)
        if "filter" in given.which:
            filter_rows(folder, given.rows)
        if "mine" in given.which:
            mine_sentences(folder, given.sentences)


if __name__ == "__main__":
    main()
