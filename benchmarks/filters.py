"""Measure the default filters: what they reject of human translations, and of made faults.

In: parallel data by people (NTREX, SIB-200, Tatoeba, xSID, NusaX) in the folder `HEXAPLA_DATA` (by
default ../shared/data; see recipes/README.md). No cell of it should be rejected. The faults are
made of the same cells, as a translator fails: each should be rejected.
Out: two tables, of false rejections by set and filter, and of the share of each fault that is
rejected. `--examples N` prints rejected cells of people and kept faults.

    python -m benchmarks.filters [--split test] [--rows 500] [--faulty-rows 60] [--examples 0]
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from hexapla.filters import Chain, FilterSettings, Statistics, Verdict
from hexapla.text.languages import is_language, script

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
SETS = {
    "test": {
        "NTREX": "ntrex/test.parquet",
        "SIB-200": "sib200/test.parquet",
        "Tatoeba": "tatoeba",
        "xSID": "xsid/test.parquet",
        "NusaX": "nusax/test.parquet",
    },
    "development": {
        "SIB-200": "sib200/train.parquet",
        "xSID": "xsid/train.parquet",
        "NusaX": "nusax/train.parquet",
    },
}
PIVOT = "eng_Latn"
ZEROS = {"Arab": "٠", "Deva": "०", "Beng": "০", "Thai": "๐"}

Cells = dict[str, list[str]]  # texts by language, in the order of the sources
Fault = Callable[[int, str, Cells], str | None]
"""Makes a fault of the cell of a row in a language; None where the cell has nothing for it."""


def read_sets(split: str, n_rows: int) -> Iterator[tuple[str, Cells, list[str]]]:
    """Yield name, cells and sources of each set; Tatoeba has other sources for each language."""
    for name, file in SETS[split].items():
        path = DATA / file
        for part in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
            table = pq.read_table(part)
            columns = [column for column in table.column_names if is_language(column)]
            step = max(1, table.num_rows // n_rows)
            cells = {code: table.column(code).to_pylist()[::step][:n_rows] for code in columns}
            yield name, cells, cells.pop(PIVOT)


def chain_of(sources: Sequence[str], cells: Cells) -> Chain:
    """Return the default filters, with what is normal in these cells."""
    statistics = Statistics()
    for language, texts in cells.items():
        statistics.add(language, sources, texts)
    return Chain(FilterSettings(), PIVOT, [PIVOT, *cells], statistics)


def faults_of(sources: Sequence[str]) -> Mapping[str, Fault]:
    """Return what may go wrong with the translations of some sources, by name."""

    def other(i: int, language: str, cells: Cells, same_script: bool) -> str | None:
        found = [
            code
            for code in cells
            if code != language and (script(code) == script(language)) is same_script
        ]
        return cells[found[i % len(found)]][i] if found else None

    def mixed(i: int, language: str, cells: Cells) -> str | None:
        wrong = other(i, language, cells, same_script=False)
        return wrong and half(cells[language][i]) + " " + wrong[len(wrong) // 2 :]

    return {
        "copied source": lambda i, language, cells: sources[i],
        "copied in capitals": lambda i, language, cells: sources[i].upper(),
        "copied as a title": lambda i, language, cells: sources[i].title(),
        "copied, one word in four translated": lambda i, language, cells: every_fourth(
            sources[i], cells[language][i]
        ),
        "copied, second half": lambda i, language, cells: (
            f"{half(cells[language][i])} {sources[i][len(sources[i]) // 2 :]}"
        ),
        "source, then translation": lambda i, language, cells: f"{sources[i]} {cells[language][i]}",
        "word loop at the end": lambda i, language, cells: (
            cells[language][i] + f" {units(cells[language][i])[-1]}" * 8
        ),
        "word loop, normal length": lambda i, language, cells: looped(cells[language][i], 1),
        "phrase loop, normal length": lambda i, language, cells: looped(cells[language][i], 3),
        "character loop": lambda i, language, cells: (
            half(cells[language][i]) + cells[language][i][:1] * 15
        ),
        "other script": lambda i, language, cells: other(i, language, cells, same_script=False),
        "second half in another script": mixed,
        "other language of the script": lambda i, language, cells: other(
            i, language, cells, same_script=True
        ),
        "first half only": lambda i, language, cells: half(cells[language][i]),
        "first quarter only": lambda i, language, cells: half(half(cells[language][i])),
        "another sentence before it": lambda i, language, cells: (
            f"{cells[language][i - 1]} {cells[language][i]}"
        ),
        "numbers dropped": lambda i, language, cells: changed(
            cells[language][i], r"\d+", lambda digits: ""
        ),
        "a number changed": lambda i, language, cells: changed(
            cells[language][i], r"\d{2,}", lambda digits: f"{int(digits) + 11}"
        ),
        "only punctuation": lambda i, language, cells: (".", "...", "- -", "?!", "«»")[i % 5],
        "language token left": lambda i, language, cells: (
            ("{} ", "__{}__ ", ">>{}<< ", "<2{}> ")[i % 4].format(
                language if i % 4 == 0 else language[:2]
            )
            + cells[language][i]
        ),
        "(right) digits of the script": lambda i, language, cells: native(
            cells[language][i], script(language)
        ),
    }


def units(text: str) -> list[str]:
    """Return the words of a text, or pairs of characters if it has no spaces."""
    words = text.split()
    return words if len(words) > 2 else [text[i : i + 2] for i in range(0, len(text), 2)]


def half(text: str) -> str:
    """Return the first half of a text's words."""
    parts = units(text)
    return (" " if " " in text else "").join(parts[: max(1, len(parts) // 2)])


def looped(text: str, n_words: int) -> str:
    """Return the first half of a text, and then its last words until it is as long as it was."""
    parts = units(text)
    start = parts[: max(n_words, len(parts) // 2)]
    joint = " " if " " in text else ""
    loop = start[-n_words:] * (len(parts) // n_words + 4)
    return joint.join([*start, *loop[: max(4 * n_words, len(parts) - len(start))]])


def every_fourth(source: str, text: str) -> str:
    """Return a source with every fourth word from a translation."""
    words, theirs = source.split(), units(text)
    return " ".join(theirs[i % len(theirs)] if i % 4 == 3 else word for i, word in enumerate(words))


def changed(text: str, pattern: str, change: Callable[[str], str]) -> str | None:
    """Return a text with its numbers changed; None if it has no number above 12."""
    if not any(int(digits) > 12 for digits in re.findall(r"\d+", text)):
        return None
    return re.sub(pattern, lambda match: change(match[0]), text)


def native(text: str, of_script: str) -> str | None:
    """Return a text with the digits of its script; None if it has none, or the script has none."""
    zero = ZEROS.get(of_script)
    if not zero or not re.search("[0-9]", text):
        return None
    return re.sub("[0-9]", lambda match: chr(ord(zero) + int(match[0])), text)


class Measured:
    """What was rejected so far.

    Attributes:
        n: Cells of people by set.
        false: Those that were rejected, by set and filter.
        n_faults: Faults by name.
        caught: Those that were rejected, by name and filter.
        examples: Rejected cells of people and kept faults, by name.
    """

    def __init__(self) -> None:
        self.n: Counter[str] = Counter()
        self.false: dict[str, Counter[str]] = defaultdict(Counter)
        self.n_faults: Counter[str] = Counter()
        self.caught: dict[str, Counter[str]] = defaultdict(Counter)
        self.examples: dict[str, list[str]] = defaultdict(list)

    def add_set(self, name: str, cells: Cells, sources: list[str], n_faulty: int) -> None:
        """Judge the cells of a set, and the faults made of those of the first rows."""
        chain = chain_of(sources, cells)
        for language, texts in cells.items():
            self.n[name] += len(texts)
            for i, verdict in enumerate(chain.judge(language, sources, texts)):
                if verdict is not None:
                    self.false[name][verdict.reason] += 1
                    self._note(f"false, {verdict.reason}", language, sources[i], texts[i])
            for fault, make in faults_of(sources).items():
                made = [make(i, language, cells) for i in range(min(n_faulty, len(texts)))]
                kept = [i for i, text in enumerate(made) if text and text != texts[i]]
                self._add_fault(
                    fault,
                    language,
                    [sources[i] for i in kept],
                    [made[i] for i in kept],
                    chain.judge(language, [sources[i] for i in kept], [made[i] for i in kept]),
                )

    def _add_fault(
        self,
        fault: str,
        language: str,
        sources: list[str],
        made: list[str | None],
        verdicts: Sequence[Verdict | None],
    ) -> None:
        self.n_faults[fault] += len(made)
        for source, text, verdict in zip(sources, made, verdicts, strict=True):
            if verdict is not None:
                self.caught[fault][verdict.reason] += 1
            if (verdict is None) is not fault.startswith("(right)"):
                self._note(fault, language, source, text or "")

    def _note(self, name: str, language: str, source: str, text: str) -> None:
        self.examples[name].append(f"{language}: {source!r} -> {text!r}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--faulty-rows", type=int, default=60)
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--split", choices=list(SETS), default="test")
    args = parser.parse_args()
    measured = Measured()
    for name, cells, sources in read_sets(args.split, args.rows):
        measured.add_set(name, cells, sources, args.faulty_rows)
    print("| set | cells | rejected | by filter |\n|---|--:|--:|---|")
    for name, n in measured.n.items():
        by_filter = measured.false[name]
        print(f"| {name} | {n:,} | {by_filter.total()} | {listed(by_filter)} |")
    total = sum(measured.false.values(), Counter())
    print(f"| all | {measured.n.total():,} | {total.total()} | {listed(total)} |")
    print("\n| fault | made | rejected | mostly by |\n|---|--:|--:|---|")
    for fault, n in measured.n_faults.items():
        caught = measured.caught[fault]
        print(f"| {fault} | {n:,} | {caught.total() / n:.1%} | {listed(caught, 3)} |")
    for name, examples in measured.examples.items() if args.examples else ():
        step = max(1, len(examples) // args.examples)
        print(f"\n{name}: {len(examples):,}", *examples[::step][: args.examples], sep="\n  ")


def listed(counts: Counter[str], most: int | None = None) -> str:
    """Return filters with their counts, the most frequent first."""
    return ", ".join(f"`{name}` {n:,}" for name, n in counts.most_common(most))


if __name__ == "__main__":
    main()
