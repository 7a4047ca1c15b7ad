"""PO: which messages are units, what is their text, and in which language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hexapla.errors import InputError
from hexapla.imports.po import read_po
from hexapla.text.language_tags import LanguageTags
from hexapla.text.lines import COMPRESSIONS

HEADER = 'msgid ""\nmsgstr ""\n"Language: {}\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
PLURAL = 'msgid "%d file"\nmsgid_plural "%d files"\n'


def po(
    tmp_path: Path,
    text: str | bytes,
    name: str = "de.po",
    asked: tuple[str, ...] = (),
    **options: Any,
) -> list[tuple[list[str], str]]:
    """Return (texts, why it is left out) of each unit, and check the languages of the texts."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    units = list(read_po(path, LanguageTags("eng_Latn", asked or None), **options))
    for unit in units:
        assert [meaning.code == "eng_Latn" for meaning, _ in unit.texts] == [
            number == 0 for number in range(len(unit.texts))
        ]
    return [([text for _, text in unit.texts], unit.left_out) for unit in units]


def language(tmp_path: Path, text: str, name: str, asked: tuple[str, ...]) -> str:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (unit,) = read_po(path, LanguageTags("eng_Latn", asked or None))
    return unit.texts[1][0].code


# Messages

MESSAGES = HEADER.format("de") + (
    'msgid "Hello"\nmsgstr "Hallo"\n\n#, fuzzy\n#| msgid "By"\nmsgid "Bye"\nmsgstr "Bei"\n\n'
    'msgctxt "menu"\nmsgid "Open"\nmsgstr "Öffnen"\n\n'
    'msgctxt "state"\nmsgid "Open"\nmsgstr "Of"\n"fen"\n\n'
    'msgid "None"\nmsgstr ""\n\n#~ msgid "gone"\n#~ msgstr "weg"\n\n'
    '#, fuzzy\n#~ msgid "by"\n#~ msgstr "bei"\n'
)


def test_every_message_is_a_unit_and_fuzzy_and_obsolete_ones_are_left_out(tmp_path: Path) -> None:
    assert po(tmp_path, b"\xef\xbb\xbf" + MESSAGES.encode(), "app.po") == [
        (["Hello", "Hallo"], ""),
        (["Bye", "Bei"], "fuzzy"),
        (["Open", "Öffnen"], ""),
        (["Open", "Offen"], ""),
        (["None", ""], ""),
        (["gone", "weg"], "obsolete"),
        (["by", "bei"], "obsolete"),
    ]


def test_fuzzy_messages_are_kept_if_asked_for_and_obsolete_ones_never(tmp_path: Path) -> None:
    units = po(tmp_path, MESSAGES, "app.po", keep_unfinished=True)
    assert [reason for _, reason in units] == ["", "", "", "", "", "obsolete", "obsolete"]


@pytest.mark.parametrize(
    ("rule", "form"),
    [
        ("", "form0"),
        ("nplurals=2; plural=(n != 1);", "form0"),
        ("nplurals=3; plural=n==0 ? 0 : n==1 ? 1 : 2;", "form1"),
        ("nplurals=3; plural = n==0 ? 0 : n==1 ? 1 : 2", "form1"),
        (r"nplurals=2; plural=(n != 1);\\n\\n", "form0"),
        (r"nplurals=2; plural=(n != 1)\\n", "form0"),
        ("nplurals=INTEGER; plural=EXPRESSION;", "form0"),
    ],
)
def test_of_a_plural_the_singular_is_read_by_the_rule_and_the_rest_is_counted(
    tmp_path: Path, rule: str, form: str
) -> None:
    text = f'msgid ""\nmsgstr "Plural-Forms: {rule}\\n"\n\n{PLURAL}'
    text += "".join(f'msgstr[{i}] "form{i}"\n' for i in range(3))
    others = [f"form{i}" for i in range(3) if f"form{i}" != form]
    assert po(tmp_path, text) == [
        (["%d file", form], ""),
        (["%d files", *others], "other plural forms"),
    ]


@pytest.mark.parametrize(
    ("rule", "message"), [("plural=n!;", "invalid token|unexpected"), ("plural=n%0;", "zero")]
)
def test_a_rule_that_cannot_be_read_costs_the_plural_messages_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: str, message: str
) -> None:
    header = f'msgid ""\nmsgstr "Plural-Forms: {rule}\\n"\n\n'
    one = 'msgid "One"\nmsgstr "Eins"\n\n'
    assert po(tmp_path, header + one) == [(["One", "Eins"], "")]
    assert caplog.messages == []
    why = "plural forms without a rule that can be read"
    assert po(tmp_path, header + one + PLURAL + 'msgstr[0] "a"\nmsgstr[1] "b"\n') == [
        (["One", "Eins"], ""),
        (["%d file", "a", "b"], why),
        (["%d files"], why),
    ]
    (warning,) = caplog.messages
    assert "de.po, header: Plural-Forms cannot be read" in warning
    assert "messages with plural forms are left out" in warning


def test_a_plural_whose_singular_lacks_its_form_is_untranslated(tmp_path: Path) -> None:
    text = 'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=n==1;\\n"\n\n' + PLURAL
    assert po(tmp_path, text + 'msgstr[0] "Dateien"\n') == [
        (["%d file", ""], ""),
        (["%d files", "Dateien"], "other plural forms"),
    ]


def test_prefixes_of_kde_3_are_no_text(tmp_path: Path) -> None:
    text = (
        r'msgid "_: a verb\n"' + '\n"Open"\nmsgstr "Öffnen"\n\n'
        r'msgid "_n: 1 file\n"' + '\n"%n files"\n' + r'msgstr "1 Datei\n"' + '\n"%n Dateien"\n\n'
        r'msgid "_: in a list\n_n: one\n%n"' + "\n" + r'msgstr "eins\n%n"' + "\n\n"
        r'msgid "a_: b\nc"' + "\n" + r'msgstr "d"' + "\n"
    )
    assert po(tmp_path, text) == [
        (["Open", "Öffnen"], ""),
        (["1 file", "1 Datei"], ""),
        (["%n files", "%n Dateien"], "other plural forms"),
        (["one", "eins"], ""),
        (["%n", "%n"], "other plural forms"),
        (["a_: b\nc", "d"], ""),
    ]


def test_a_plural_of_kde_3_may_have_several_lines(tmp_path: Path) -> None:
    text = r'msgid "_n: one\nmany\nmore"' + "\n" + r'msgstr "eins\nviele"' + "\n"
    assert po(tmp_path, text) == [
        (["one", "eins"], ""),
        (["many\nmore", "viele"], "other plural forms"),
    ]


def test_accelerators_are_stripped_if_asked_for(tmp_path: Path) -> None:
    text = 'msgid "&Open"\nmsgstr "打开(&O)"\n\nmsgid "Research & Co"\nmsgstr "研究 & Co"\n'
    assert po(tmp_path, text, "zh_CN.po") == [
        (["&Open", "打开(&O)"], ""),
        (["Research & Co", "研究 & Co"], ""),
    ]
    assert po(tmp_path, text, "zh_CN.po", strip_accelerators=True) == [
        (["Open", "打开"], ""),
        (["Research & Co", "研究 & Co"], ""),
    ]


# Languages

ONE = 'msgid "a"\nmsgstr "b"\n'


@pytest.mark.parametrize(
    ("header", "name", "asked", "code"),
    [
        ("pt_BR", "x.po", (), "por_Latn"),
        ("sr@cyrillic", "x.po", (), "srp_Cyrl"),
        ("ca@valencia", "x.po", (), "cat_Latn"),
        ("fr", "app.po", (), "fra_Latn"),
        ("", "app.de.po", (), "deu_Latn"),
        ("", "locale/zh_CN/LC_MESSAGES/app.po", (), "zho_Hans"),
        ("", "app.po", ("eng_Latn", "swe_Latn"), "swe_Latn"),
        ("sr", "sr_Latn/LC_MESSAGES/app.po", (), "srp_Latn"),
        ("sr", "sr@latin.po", (), "srp_Latn"),
        ("sr@ijekavianlatin", "x.po", (), "srp_Latn"),
        ("zh", "x.po", ("en", "zh-Hant"), "zho_Hant"),
    ],
)
def test_the_language_of_a_po_file(
    tmp_path: Path, header: str, name: str, asked: tuple[str, ...], code: str
) -> None:
    assert language(tmp_path, HEADER.format(header) + ONE, name, asked) == code


def test_a_file_without_a_header_has_its_language_from_its_name(tmp_path: Path) -> None:
    assert language(tmp_path, ONE, "de.po", ()) == "deu_Latn"


@pytest.mark.parametrize(
    ("header", "code"),
    [("X-Poedit-Language: German", "deu_Latn"), ("X-Language: pt_BR", "por_Latn")],
)
def test_older_headers_name_the_language(tmp_path: Path, header: str, code: str) -> None:
    text = f'msgid ""\nmsgstr "Language: \\n{header}\\n"\n\n{ONE}'
    assert language(tmp_path, text, "app.po", ()) == code


def test_a_header_and_a_name_of_two_languages_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'fr\.po, header: its language is said to be "de"'):
        language(tmp_path, HEADER.format("de") + ONE, "fr.po", ())


# Files


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (ONE, "app.po", r"app\.po does not say its language; name it like de\.po"),
        (ONE, "en.po", r"en\.po has its translations in eng_Latn, the pivot"),
        (HEADER.format("xx") + ONE, "app.po", r'app\.po, header: language "xx" is unknown'),
        ("Dear all,\n", "de.po", r"de\.po is no PO file: Syntax error in po file .*\(line 1\)"),
        (b'msgid "a"\nmsgstr "f\xfcnf"\n', "de.po", r"de\.po:2: byte 10 of the line is not utf-8"),
    ],
)
def test_a_po_file_that_cannot_be_read_is_refused(
    tmp_path: Path, text: str | bytes, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        po(tmp_path, text, name)


def test_po_in_its_own_encoding_is_read(tmp_path: Path) -> None:
    text = (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"\n\n'
        'msgid "five"\nmsgstr "fünf"\n'
    )
    assert po(tmp_path, text.encode("latin-1")) == [(["five", "fünf"], "")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_po_in_utf16_is_read_by_its_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    text = f"\ufeff{HEADER.format('de')}" + 'msgid "five"\nmsgstr "fünf"\n'
    assert po(tmp_path, text.encode(encoding)) == [(["five", "fünf"], "")]


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".GZ"])
def test_compressed_po_is_read_as_the_plain_file_would_be(tmp_path: Path, suffix: str) -> None:
    def packed(text: bytes) -> bytes:
        packed = pa.compress(text, codec=COMPRESSIONS[suffix.lower()], asbytes=True)
        assert isinstance(packed, bytes)
        return packed

    text = 'msgid "one\u2028two"\nmsgstr "eins\u2028zwei"\n'
    for name in (f"de.po{suffix}", f"app.de.po{suffix}", f"de/LC_MESSAGES/app.po{suffix}"):
        assert po(tmp_path, packed(text.encode()), name) == [
            (["one\u2028two", "eins\u2028zwei"], "")
        ]
    for bad, message in (
        (
            packed(b'msgid "a"\nmsgstr "f\xfcnf"\n'),
            rf"/de\.po{suffix}:2: byte 10 of the line is not utf-8",
        ),
        (
            packed(b"Dear all,\n"),
            rf"/de\.po{suffix} is no PO file: Syntax error in po file .*/de\.po{suffix} \(line 1\)",
        ),
        (packed(text.encode())[:-9], rf"/de\.po{suffix} cannot be decompressed: it is truncated"),
    ):
        with pytest.raises(InputError, match=message):
            po(tmp_path, bad, f"de.po{suffix}")
