"""Write the packaged sample corpus from `recipes/sample.tsv`, where its sentences are edited."""

from __future__ import annotations

from pathlib import Path

from hexapla import open_corpus, write_corpus

HERE = Path(__file__).parent
OUT = HERE.parent / "hexapla" / "data" / "sample"


def main() -> None:
    """Write the corpus folder."""
    table = open_corpus(HERE / "sample.tsv")
    origins = {
        language: {"source": "translated from eng_Latn for this project, and proofread"}
        for language in table.languages
    }
    origins["eng_Latn"] = {"source": "written for this project"}
    write_corpus(
        table.rows(), OUT, languages=table.languages, columns=origins, license="mit", overwrite=True
    )


if __name__ == "__main__":
    main()
