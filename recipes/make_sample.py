"""Make the sample corpus that the package carries from `recipes/sample.tsv`, where its sentences are edited."""

from __future__ import annotations

from pathlib import Path

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus

HERE = Path(__file__).parent
OUT = HERE.parent / "hexapla" / "data" / "sample"


def main() -> None:
    """Write the corpus folder."""
    table = open_corpus(HERE / "sample.tsv")
    made = {
        language: {"source": "translated from eng_Latn for this project, and proofread"}
        for language in table.languages
    }
    made["eng_Latn"] = {"source": "written for this project"}
    write_corpus(
        table.rows(), OUT, languages=table.languages, columns=made, license="mit", overwrite=True
    )


if __name__ == "__main__":
    main()
