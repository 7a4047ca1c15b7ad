"""Measure the filter `han_variant` on both variants of Chinese: errors, undecided texts, and cost.

In: the `zho_Hans` columns of NTREX and SIB-200 in the folder `HEXAPLA_DATA` (by default
../shared/data; see recipes/README.md), and their conversion to Traditional Chinese by OpenCC (`pip
install opencc`), whose tables the filter's own is made from. The honest measure is genuine text:
`--mo`, a folder with unpacked packages of Debian or Ubuntu, whose `zh_CN`, `zh_TW` and `zh_HK`
catalogues are read, and `--conllu`, treebanks in Traditional Chinese, such as UD_Chinese-GSD,
UD_Chinese-PUD and UD_Cantonese-HK.
Out: a table. "wrong" texts are rejected in the column of their own variant, "undecided" ones are
accepted in both.

    python -m benchmarks.han [--mo FOLDER] [--conllu FILE ...]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import opencc
import polib
import pyarrow.parquet as pq

from hexapla.filters.candidate import Candidate, JudgedColumn
from hexapla.filters.han_variant import HanVariant
from hexapla.text.scripts import letters_of

DATA = Path(os.environ.get("HEXAPLA_DATA", "../shared/data"))
FILES = {"NTREX": "ntrex/test.parquet", "SIB-200": "sib200/train.parquet"}
CONVERSIONS = {"OpenCC": "s2t", "OpenCC, Taiwan": "s2twp", "OpenCC, Hong Kong": "s2hk"}
LOCALES = {"zh_CN": "zho_Hans", "zh_TW": "zho_Hant", "zh_HK": "zho_Hant"}
N_FIRST = 10


def texts(mo: Path | None, treebanks: Sequence[Path]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, language and texts of each data set."""
    for name, file in FILES.items():
        column = pq.read_table(DATA / file, columns=["zho_Hans"]).column(0).to_pylist()
        yield name, "zho_Hans", column
        for how, config in CONVERSIONS.items():
            convert = opencc.OpenCC(config).convert
            yield f"{name}, {how}", "zho_Hant", [convert(text) for text in column]
    for path in treebanks:
        lines = path.read_text(encoding="utf-8").splitlines()
        sentences = [line[len("# text = ") :] for line in lines if line.startswith("# text = ")]
        yield path.name, "zho_Hant", sentences
    for locale, language in LOCALES.items() if mo else ():
        messages = {
            text
            for path in mo.glob(f"**/{locale}/LC_MESSAGES/*.mo")
            for entry in polib.mofile(str(path))
            for text in (entry.msgstr, *entry.msgstr_plural.values())
            if letters_of("zho_Hans").search(text)
        }
        yield f"catalogues {locale}", language, sorted(messages)


def rejects(language: str, judged: Sequence[str]) -> tuple[list[bool], float]:
    """Return whether each text is rejected in a column, and microseconds per text."""
    chosen = HanVariant()
    scorer = chosen.scorer(JudgedColumn(language=language, pivot="eng_Latn", pool=(language,)))
    assert scorer is not None
    start = time.perf_counter()
    scores = [scorer(Candidate("", text)) for text in judged]
    seconds = time.perf_counter() - start
    return [not chosen.accept(score or 0.0) for score in scores], seconds / len(judged) * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mo", type=Path)
    parser.add_argument("--conllu", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    print(f"{'texts':<28} {'':<9} {'n':>6} {'wrong':>6} {'undecided':>9} {'µs a text':>9}")
    for name, language, whole in texts(args.mo, args.conllu):
        other = "zho_Hans" if language == "zho_Hant" else "zho_Hant"
        first = [text[:N_FIRST] for text in whole if len(text) >= N_FIRST]
        for part, judged in (("whole", whole), (f"first {N_FIRST}", first)):
            as_own, microseconds = rejects(language, judged)
            as_other, _ = rejects(other, judged)
            undecided = sum(not a and not b for a, b in zip(as_own, as_other, strict=True))
            share = f"{undecided / len(judged):.1%}"
            print(
                f"{name:<28} {part:<9} {len(judged):>6} {sum(as_own):>6} {share:>9} "
                f"{microseconds:>9.2f}"
            )


if __name__ == "__main__":
    main()
