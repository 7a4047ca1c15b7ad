"""Texts of any source -> clean distinct sentences, in order, each with its place in the source.

A text is split before it is cleaned, because its blank lines show where paragraphs end. Sentences
that are left out are counted by their reason. A random sample consists of the sentences with the
smallest salted hashes. So it does not depend on the order of the texts or on the number of files,
and takes memory for the sample alone.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from hexapla.corpus.rows import row_id
from hexapla.errors import InputError
from hexapla.sources.config import SourceConfig
from hexapla.sources.texts import Source, find_sources
from hexapla.text import languages as codes
from hexapla.text.clean import clean_text

_BLANK_LINES = re.compile(r"\n\s*\n")
EMPTY, NO_LETTER, TOO_SHORT, TOO_LONG = "empty", "no letter", "too short", "too long"
DUPLICATE, NOT_SAMPLED = "duplicate", "not sampled"


class Sentence(NamedTuple):
    """One sentence.

    Attributes:
        text: Clean text on one line.
        source: Its place, such as "name.txt:12": the line of a text file, or the row of a Parquet
            file or dataset.
    """

    text: str
    source: str


@dataclass
class SourceReport:
    """The counts of what was read and left out, complete once all sentences have been read.

    Attributes:
        n_texts: Lines, rows or records read.
        n_sentences: Sentences kept.
        left_out: Sentences left out, by reason. With a sample, a duplicate of a sentence that is
            not sampled counts as not sampled.
        collect: Called with the reason and each sentence that is left out, except for those that
            are not sampled.
    """

    n_texts: int = 0
    n_sentences: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    collect: Callable[[str, Sentence], None] | None = None

    def leave_out(self, reason: str, sentence: Sentence) -> None:
        """Count a sentence that is left out, and pass it to `collect`."""
        self.left_out[reason] += 1
        if self.collect is not None and reason != NOT_SAMPLED:
            self.collect(reason, sentence)

    def facts(self) -> dict[str, object]:
        """Return the counts for a manifest."""
        return {
            "n_texts": self.n_texts,
            "n_sentences": self.n_sentences,
            "left_out": dict(sorted(self.left_out.items())),
        }


def read_sentences(config: SourceConfig, report: SourceReport | None = None) -> Iterator[Sentence]:
    """Open the sources, and return an iterator that reads their sentences.

    A repeated text is left out. It is recognised by the hash that also names a row
    (`hexapla.corpus.rows.row_id`), which takes about 90 bytes of memory for each sentence.

    Args:
        config: Which texts to read, and which of their sentences to keep.
        report: Counts what is kept and left out while the sentences are read.

    Raises:
        InputError: At once for what the beginning of a source shows: no such file, field or format,
            or an empty file. While reading for what comes later, and if no sentence is left.
    """
    sources = find_sources(config.texts)
    if config.field is not None and not any(source.has_fields for source in sources):
        raise InputError(f"field is {config.field}, but lines of text have no fields; leave it out")
    for source in sources:
        source.check(config.field)
    report = SourceReport() if report is None else report
    sentences = _acceptable(sources, config, _splitter(config), report)
    if config.sample is not None:
        chosen = _sampled(sentences, config.sample, config.seed, report)
    else:
        chosen = islice(_distinct(sentences, report), config.limit)
    return _counted(chosen, config, report)


def source_facts(config: SourceConfig) -> list[dict[str, object]]:
    """Return for each source the facts that change when its content changes.

    For a file they are `name`, `n_bytes` and `sha256`, for a dataset `name` and `revision`, for
    standard input the name.

    Raises:
        InputError: There is no such file, or a dataset cannot be reached.
    """
    return [source.facts() for source in find_sources(config.texts)]


def _splitter(config: SourceConfig) -> Callable[[str], Iterable[str]]:
    if not config.split_sentences:
        return lambda text: (text,)
    try:
        from sentencex import segment
    except ImportError as error:
        raise InputError(
            "splitting sentences needs sentencex; pip install 'hexapla[translate]', or set "
            "split_sentences to false"
        ) from error
    tag = codes.to_bcp47(config.pivot).split("-")[0]

    def split(text: str) -> list[str]:
        text = text.strip()
        if "\n" in text:
            # For sentencex a line of spaces does not end a paragraph.
            text = _BLANK_LINES.sub("\n\n", text)
        return [part for part in segment(tag, text) if not part.isspace()]

    return split


def _acceptable(
    sources: Iterable[Source],
    config: SourceConfig,
    split: Callable[[str], Iterable[str]],
    report: SourceReport,
) -> Iterator[Sentence]:
    """Yield the clean sentences of all sources, except for those that cannot become a row."""
    for source in sources:
        for number, text in source.texts(config.field or ""):
            report.n_texts += 1
            place = f"{source.name}:{number}"
            for part in split(text) if text is not None else ("",):
                sentence = Sentence(clean_text(part), place)
                reason = _reason(sentence.text, config)
                if reason is None:
                    yield sentence
                else:
                    report.leave_out(reason, sentence)


def _reason(text: str, config: SourceConfig) -> str | None:
    if not text:
        return EMPTY
    if not any(map(str.isalpha, text)):
        return NO_LETTER
    if len(text) < config.min_characters:
        return TOO_SHORT
    return TOO_LONG if len(text) > config.max_characters else None


def _distinct(sentences: Iterable[Sentence], report: SourceReport) -> Iterator[Sentence]:
    seen: set[bytes] = set()
    for sentence in sentences:
        key = bytes.fromhex(row_id(sentence.text))  # takes a third of the memory of hex digits
        if key in seen:
            report.leave_out(DUPLICATE, sentence)
        else:
            seen.add(key)
            yield sentence


def _sampled(
    sentences: Iterable[Sentence], n: int, seed: int, report: SourceReport
) -> Iterator[Sentence]:
    """Yield, in order, the `n` distinct sentences with the smallest hashes.

    The largest hash among the held sentences can only fall, so a text that was dropped or refused
    is never held again. Hence the held sentences are enough to recognise duplicates among those
    chosen, and the first of equal texts is the one that is kept.
    """
    salt = seed.to_bytes(hashlib.blake2b.SALT_SIZE, "little")
    held: dict[int, Sentence] = {}
    largest_first: list[int] = []
    for sentence in sentences:
        digest = hashlib.blake2b(row_id(sentence.text).encode(), digest_size=16, salt=salt).digest()
        rank = int.from_bytes(digest, "big")
        if rank in held:
            report.leave_out(DUPLICATE, sentence)
        elif len(held) < n:
            heapq.heappush(largest_first, -rank)
            held[rank] = sentence
        elif rank > -largest_first[0]:
            report.leave_out(NOT_SAMPLED, sentence)
        else:
            report.leave_out(NOT_SAMPLED, held.pop(-heapq.heapreplace(largest_first, -rank)))
            held[rank] = sentence
    yield from held.values()


def _counted(
    sentences: Iterable[Sentence], config: SourceConfig, report: SourceReport
) -> Iterator[Sentence]:
    for sentence in sentences:
        report.n_sentences += 1
        yield sentence
    if report.n_sentences == 0:
        named = ", ".join(config.texts[:3]) + (" and others" if config.texts[3:] else "")
        if not report.n_texts:
            raise InputError(f"{named}: there is no text in it; give sources that hold some")
        reasons = ", ".join(f"{n} {reason}" for reason, n in report.left_out.most_common())
        raise InputError(
            f"{named}: no sentence is left of {report.n_texts} texts ({reasons}); a sentence has a "
            f"letter and {config.min_characters} to {config.max_characters} characters "
            "(min_characters, max_characters)"
        )
