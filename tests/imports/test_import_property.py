"""Random content in every format: nothing is lost, nothing stands in a column of another script."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hexapla.corpus.reader import Corpus
from hexapla.errors import InputError
from hexapla.imports import ImportConfig, import_corpus
from hexapla.text.clean import clean_text
from tests.fixtures.translated_files import WRITERS, Units, tags_of

PIVOT = "eng_Latn"
_LATIN, _CYRILLIC, _ARABIC = "abcdefghijklmnoprstuvz", "абвгдежзиклмнопрстуф", "ابتثجحدرزسشعفقكلمن"
_HANS, _HANT, _GURMUKHI = "这说时们对国会过东车", "這說時們對國會過東車", "ਕਖਗਘਚਛਜਟਠਡਤਥਦਧਨਪਬਮ"

# A tag as files have it: the only column that it may go to, and letters of that column's script.
TAGS = {
    "de": ("deu_Latn", _LATIN),
    "pt-BR": ("por_Latn", _LATIN),
    "pt-PT": ("por_Latn", _LATIN),
    "sr-Cyrl": ("srp_Cyrl", _CYRILLIC),
    "sr-Latn": ("srp_Latn", _LATIN),
    "sr-ME": ("srp_Latn", _LATIN),
    "uz-Cyrl": ("uzn_Cyrl", _CYRILLIC),
    "uz": ("uzn_Latn", _LATIN),
    "pa-PK": ("pnb_Arab", _ARABIC),
    "pa": ("pan_Guru", _GURMUKHI),
    "zh-Hans": ("zho_Hans", _HANS),
    "zh-TW": ("zho_Hant", _HANT),
}
LETTERS = {code: letters for code, letters in TAGS.values()} | {PIVOT: _LATIN}

# hypothesis as a generator of seeded cases: the same ones in every run.
FIXED = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def words(letters: str, n_words: int = 6) -> st.SearchStrategy[str]:
    word = st.text(letters, min_size=4, max_size=8)
    return st.lists(word, min_size=n_words, max_size=n_words).map(" ".join)


@st.composite
def contents(draw: st.DrawFn, *, unique: bool) -> Units:
    """Draw units of an English text and up to four others, some of them empty.

    Args:
        draw: Of hypothesis.
        unique: Every English text occurs once and is not empty; one tag a language.
    """
    tags = draw(st.lists(st.sampled_from(sorted(TAGS)), min_size=1, max_size=4, unique=True))
    if unique:
        tags = list({TAGS[tag][0]: tag for tag in tags}.values())
    n_units = draw(st.integers(1, 8))
    english = draw(st.lists(words(_LATIN), min_size=n_units, max_size=n_units, unique=True))
    if not unique:
        english = [draw(st.sampled_from([text, english[0], ""])) for text in english]
    units = []
    for text in english:
        unit = {"en": text}
        for tag in tags:
            unit[tag] = draw(st.one_of(words(TAGS[tag][1]), st.sampled_from(["", " "])))
        units.append(unit)
    return units


def run(files: Sequence[Path], out: Path, **changes: Any) -> Corpus | None:
    """Import files, or return None if nothing in them can be joined."""
    try:
        return import_corpus(
            ImportConfig(files=tuple(map(str, files)), out=out, overwrite=True, **changes),
            quiet=True,
        )
    except InputError as error:
        assert "usable entry" in str(error), error
        return None


def expected(units: Units) -> dict[str, dict[str, str]]:
    """Return English -> the other cells, of units that occur once."""
    rows = {}
    for unit in units:
        cells = {TAGS[tag][0]: clean_text(text) for tag, text in unit.items() if tag != "en"}
        if kept := {code: text for code, text in cells.items() if text}:
            rows[clean_text(unit["en"])] = kept
    return rows


def rows_of(corpus: Corpus | None) -> dict[str, dict[str, str]]:
    if corpus is None:
        return {}
    languages = [code for code in corpus.languages if code != PIVOT]
    return {
        str(row[PIVOT]): {code: str(row[code]) for code in languages if row[code]}
        for row in corpus.rows()
    }


@pytest.mark.parametrize("form", WRITERS)
@FIXED
@given(units=contents(unique=True))
def test_every_format_gives_the_same_corpus(form: str, units: Units) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = WRITERS[form](Path(folder), units)
        assert rows_of(run(files, Path(folder, "out"))) == expected(units)


@pytest.mark.parametrize("form", WRITERS)
@FIXED
@given(units=contents(unique=False))
def test_every_entry_and_every_text_is_in_the_corpus_or_counted(form: str, units: Units) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = WRITERS[form](Path(folder), units)
        corpus = run(files, Path(folder, "out"))
        if corpus is None:
            return
        made, n_rows = corpus.manifest["import"], len(rows_of(corpus))
    sources = made["sources"]
    # A format of two languages holds a unit once for each of its files.
    n_pairs = len(tags_of(units)) - 1
    n_written = len(units) * (n_pairs if form in ("po", "xliff", "xliff2") else 1)
    n_left_out = sum(sum(source["left_out"].values()) for source in sources)
    assert sum(source["n_entries"] for source in sources) == n_written
    assert n_written - n_left_out == made["n_rows"] + made["n_joined"]
    n_texts = sum(sum(source["n_texts"].values()) for source in sources)
    n_conflicts = sum(made["conflicts"].values())
    assert n_texts == made["n_cells"] + made["n_repeats"] + n_conflicts
    n_texts_written = n_written * 2 if n_written != len(units) else sum(map(len, units))
    n_texts_left_out = sum(sum(source["left_out_texts"].values()) for source in sources)
    assert n_texts_written == n_texts + n_texts_left_out
    assert n_rows == made["n_rows"]


@pytest.mark.parametrize("form", WRITERS)
@FIXED
@given(
    units=contents(unique=False),
    asked=st.lists(st.sampled_from(sorted(LETTERS)), min_size=1, max_size=4, unique=True),
)
def test_no_text_stands_in_a_column_of_another_script(
    form: str, units: Units, asked: list[str]
) -> None:
    if set(asked) == {PIVOT}:
        return
    with tempfile.TemporaryDirectory() as folder:
        files = WRITERS[form](Path(folder), units)
        try:
            corpus = import_corpus(
                ImportConfig(
                    files=tuple(map(str, files)), out=Path(folder, "out"), languages=tuple(asked)
                ),
                quiet=True,
            )
        except InputError as error:
            # A language that was asked for is not there.
            assert "usable text" in str(error) or "usable entry" in str(error), error
            return
        assert set(corpus.languages) <= {PIVOT, *asked}
        for row in corpus.rows():
            for code in corpus.languages:
                assert set(str(row[code] or "")) <= {*LETTERS[code], " "}, code


@pytest.mark.parametrize("form", ["po", "xliff", "xliff2"])
@FIXED
@given(units=contents(unique=True), data=st.data())
def test_unfinished_units_are_counted_and_kept_on_request(
    form: str, units: Units, data: st.DataObject
) -> None:
    unfinished = data.draw(st.sets(st.sampled_from(range(len(units)))))
    with tempfile.TemporaryDirectory() as folder:
        files = WRITERS[form](Path(folder), units)
        for file in files:
            mark_unfinished(file, unfinished, len(units))
        finished = [unit for number, unit in enumerate(units) if number not in unfinished]
        corpus = run(files, Path(folder, "out"))
        assert rows_of(corpus) == expected(finished)
        if corpus is not None and expected([units[number] for number in unfinished]):
            sources = corpus.manifest["import"]["sources"]
            assert sum(source["left_out"].get(why, 0) for source in sources for why in REASONS)
        everything = run(files, Path(folder, "out"), keep_unfinished=True)
        assert rows_of(everything) == expected(units)


@pytest.mark.parametrize(
    ("form", "element", "code"),
    [
        ("tmx", "seg", "<ph>&lt;br/&gt;</ph>"),
        ("tmx", "seg", '<it pos="end">&lt;/p&gt;</it><it pos="begin">&lt;p&gt;</it>'),
        ("xliff", "target", '<x id="1" ctype="lb"/>'),
        ("xliff", "target", '<bx id="1" ctype="x-p"/>'),
        ("xliff2", "target", '<ph id="1" equiv="LINE_BREAK"/>'),
    ],
)
@FIXED
@given(units=contents(unique=True))
def test_code_between_words_separates_them(
    form: str, element: str, code: str, units: Units
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = WRITERS[form](Path(folder), units)
        for file in files:
            text = file.read_text(encoding="utf-8")
            coded = re.sub(rf"(<{element}>[^< ]+) ", lambda match: match[1] + code, text)
            file.write_text(coded, encoding="utf-8")
        assert rows_of(run(files, Path(folder, "out"))) == expected(units)


# Why a unit with a translation is left out.
REASONS = ("fuzzy", "unfinished: new", "unfinished: initial")


def mark_unfinished(file: Path, numbers: set[int], n_units: int) -> None:
    """Mark the units of some numbers, in every part of a file, as not finished."""
    if file.suffix == ".po":
        messages = polib.pofile(str(file))
        for number, message in enumerate(messages):
            if number in numbers:
                message.flags.append("fuzzy")
        messages.save(str(file))
        return
    element, state = ("segment", "initial") if file.suffix == ".xliff" else ("target", "new")
    before, *parts = file.read_text(encoding="utf-8").split(f"<{element}>")
    marked = (
        f'<{element} state="{state}">{part}' if n % n_units in numbers else f"<{element}>{part}"
        for n, part in enumerate(parts)
    )
    file.write_text(before + "".join(marked), encoding="utf-8")
