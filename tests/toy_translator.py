"""A translator without a network: toy words of English become those of the target, some sentences wrongly on purpose."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hexapla.errors import InputError
from hexapla.translate.translator import Translation
from tests.toy import LANGUAGES


@dataclass
class ToyTranslator:
    """Translates `eng07` to `deu07`.

    A sentence is wrong in a language when a hash says so: one in `bad` has a character that nobody meant, and at the
    second try every other of those comes right.
    """

    bad: int = 9
    multilingual: bool = True
    beam_size: int = 4

    def check(self, targets: Sequence[str]) -> None:
        for target in targets:
            if target not in LANGUAGES:
                raise InputError(f"the toy translator has no {target}; it has {', '.join(LANGUAGES)}")

    def facts(self) -> Mapping[str, object]:
        return {"translator": "toy", "beam_size": self.beam_size}

    def translate(self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False) -> list[Translation]:
        found = []
        for text, target in zip(texts, targets, strict=True):
            draw = zlib.crc32(f"{text} {target}".encode())
            wrong = draw % self.bad == 0 and not (retry and draw // self.bad % 2)
            done = text.replace("eng", target[:3]).replace(".", " \ufffd." if wrong else ".")
            found.append(Translation(done, log_prob=-(draw % 100) / 100, n_tokens=len(text.split())))
        return found

    def close(self) -> None:
        pass


@dataclass
class SlowTranslator(ToyTranslator):
    """Takes its time, so that there is one to be killed in."""

    seconds: float = 0.5

    def translate(self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False) -> list[Translation]:
        time.sleep(self.seconds)
        return super().translate(texts, targets, retry=retry)


@dataclass
class CountingTranslator(ToyTranslator):
    """Notes how many texts it was asked for in each call, and may fail."""

    calls: Sequence[tuple[int, bool]] = ()
    fail_at: int | None = None

    def translate(self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False) -> list[Translation]:
        if len(self.calls) == self.fail_at:
            raise InputError("the toy translator has broken down")
        self.calls = (*self.calls, (len(texts), retry))
        return super().translate(texts, targets, retry=retry)
