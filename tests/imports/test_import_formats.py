"""TMX, XLIFF and PO: what is text, in which language, what is left out; hostile files do no harm."""

from __future__ import annotations

import gzip
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from hexapla.errors import InputError
from hexapla.imports.entries import Entry
from hexapla.imports.po import read_po
from hexapla.imports.tmx_xliff import read_tmx, read_xliff
from hexapla.text.language_tags import LanguageTags
from hexapla.text.lines import COMPRESSIONS

UNIT = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv><tuv xml:lang="de"><seg>Hallo</seg></tuv></tu>'
SECRET = "the content of another file"


def tags(*asked: str, pivot: str = "eng_Latn") -> LanguageTags:
    return LanguageTags(pivot, asked or None)


def tmx(
    tmp_path: Path, units: str, prolog: str = "", asked: tuple[str, ...] = ()
) -> tuple[list[Entry], dict[str, int]]:
    path = tmp_path / "memory.tmx"
    path.write_text(
        f'{prolog}<tmx version="1.4"><header/><body>\n{units}\n</body></tmx>', encoding="utf-8"
    )
    left_out: Counter[str] = Counter()
    return list(read_tmx(path, tags(*asked), left_out)), dict(left_out)


def xliff(
    tmp_path: Path, text: str, name: str = "app.xlf", asked: tuple[str, ...] = ()
) -> tuple[list[Entry], dict[str, int]]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    left_out: Counter[str] = Counter()
    return list(read_xliff(path, tags(*asked), left_out)), dict(left_out)


def po(
    tmp_path: Path, text: str | bytes, name: str = "de.po", asked: tuple[str, ...] = ()
) -> tuple[list[Entry], dict[str, int]]:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    left_out: Counter[str] = Counter()
    return list(read_po(path, tags(*asked), left_out)), dict(left_out)


# Hostile XML


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY x SYSTEM "file://{}">',
        '<!ENTITY x PUBLIC "-//X//Y" "file://{}">',
        '<!ENTITY % x SYSTEM "file://{}"> %x;',
        '<!ENTITY x "harmless">',
        '<!ENTITY a "ha ha ha"><!ENTITY b "&a;&a;&a;"><!ENTITY x "&b;&b;&b;">',
    ],
    ids=["external", "public", "parameter", "internal", "nested"],
)
@pytest.mark.parametrize("read", [read_tmx, read_xliff])
def test_a_declared_entity_ends_the_reading_before_it_is_used(
    tmp_path: Path, declaration: str, read: Callable[..., Iterator[Entry]]
) -> None:
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    name = "tmx" if read is read_tmx else "xliff"
    path = tmp_path / f"hostile.{name}"
    path.write_text(
        f"<!DOCTYPE {name} [\n{declaration.format(tmp_path / 'secret')}]>\n<{name}>{UNIT.format('&x;')}</{name}>",
        encoding="utf-8",
    )
    with pytest.raises(
        InputError,
        match=rf'hostile\.{name}:2: the file declares the entity "[xa]"; .* never expanded',
    ) as error:
        list(read(path, tags(), Counter()))
    assert SECRET not in str(error.value)


def test_a_billion_laughs_take_no_memory(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">\n' for i in range(1, 10))
    tracemalloc.start()
    with pytest.raises(InputError, match=r'memory\.tmx:2: the file declares the entity "l0"'):
        tmx(
            tmp_path,
            UNIT.format("&l9;"),
            f'<!DOCTYPE tmx [\n<!ENTITY l0 "{"ha" * 1000}">\n{laughs}]>\n',
        )
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_document_type_is_not_loaded_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "tmx14.dtd").write_text(f'<!ENTITY x "{SECRET}">', encoding="utf-8")
    doctype = f'<!DOCTYPE tmx SYSTEM "{tmp_path}/tmx14.dtd">\n'
    assert tmx(tmp_path, UNIT.format("Hello"), doctype)[0] == [
        {"eng_Latn": "Hello", "deu_Latn": "Hallo"}
    ]
    with pytest.raises(
        InputError,
        match=r'memory\.tmx:3: the entity "&x;" is not declared; write the character itself',
    ):
        tmx(tmp_path, UNIT.format("&x;"), doctype)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("&nbsp;", r"memory\.tmx:2: not well-formed XML: undefined entity at column"),
        ("R&D", r"memory\.tmx:2: not well-formed XML: not well-formed \(invalid token\) at column"),
        ("<b>", r"memory\.tmx:2: not well-formed XML: mismatched tag at column"),
        ("\x01", r"memory\.tmx:2: not well-formed XML"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tmx(tmp_path, UNIT.format(text))


def test_bytes_of_another_than_the_declared_encoding_are_named_with_their_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "latin.tmx"
    path.write_bytes(f"<tmx><body>\n{UNIT.format('fünf')}</body></tmx>".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.tmx:2: not well-formed XML"):
        list(read_tmx(path, tags(), Counter()))


@pytest.mark.parametrize("encoding", ["shift_jis", "no-such-encoding"])
def test_an_encoding_that_the_parser_lacks_is_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(
        InputError,
        match=r"memory\.tmx is in an encoding that cannot be read .*; save the file as UTF-8",
    ):
        tmx(tmp_path, UNIT, f'<?xml version="1.0" encoding="{encoding}"?>')


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"app\.xlf: the root is <tmx>; its ending says <xliff>"):
        xliff(tmp_path, "<tmx><body/></tmx>")


def test_memory_stays_flat_however_long_the_file(tmp_path: Path) -> None:
    def peak(n_units: int) -> int:
        path = tmp_path / f"{n_units}.tmx"
        path.write_text(
            f"<tmx><body>{(UNIT.format('Hello') + chr(10)) * n_units}</body></tmx>",
            encoding="utf-8",
        )
        tracemalloc.start()
        assert sum(1 for _ in read_tmx(path, tags(), Counter())) == n_units
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    assert peak(4000) < 1.2 * peak(1000)


# TMX


def test_markup_and_native_code_are_no_text(tmp_path: Path) -> None:
    text = 'A <bpt i="1">&lt;b&gt;</bpt><hi>bold <hi>new</hi></hi><ept i="1">&lt;/b&gt;</ept>'
    text += '<ph type="lb">&lt;br/&gt;</ph><![CDATA[R&D]]> &amp; <it pos="begin">x<sub>y</sub></it>more<!-- no -->'
    assert tmx(tmp_path, UNIT.format(text))[0][0]["eng_Latn"] == "A bold new R&D & more"


def test_tags_of_any_shape_are_languages(tmp_path: Path) -> None:
    units = "<tu>" + "".join(
        f'<tuv {attribute}="{tag}"><seg>{tag}</seg></tuv>'
        for attribute, tag in [
            ("xml:lang", "EN-US"),
            ("lang", "PT-BR"),
            ("xml:lang", "zh-tw"),
            ("xml:lang", "sv_se"),
        ]
    )
    ((entry,), left_out) = tmx(tmp_path, units + "</tu>")
    assert entry == {
        "eng_Latn": "EN-US",
        "por_Latn": "PT-BR",
        "zho_Hant": "zh-tw",
        "swe_Latn": "sv_se",
    }
    assert left_out == {}


def test_of_two_variants_in_one_language_the_first_is_kept_and_the_other_counted(
    tmp_path: Path,
) -> None:
    units = UNIT.format("Colour").replace(
        "</tu>", '<tuv xml:lang="en-US"><seg>Color</seg></tuv></tu>'
    )
    assert tmx(tmp_path, units) == (
        [{"eng_Latn": "Colour", "deu_Latn": "Hallo"}],
        {"second variant in a language": 1},
    )


@pytest.mark.parametrize("attribute", ["", ' xml:lang=""', ' xml:lang=" "'])
def test_a_variant_without_a_language_is_named_with_its_line(
    tmp_path: Path, attribute: str
) -> None:
    units = UNIT.format("Hello") + "\n" + UNIT.format("Bye").replace(' xml:lang="de"', attribute)
    with pytest.raises(
        InputError, match=r"memory\.tmx:3: the <tuv> has no xml:lang, so nothing says its language"
    ):
        tmx(tmp_path, units)
    entries, _ = tmx(tmp_path, units, asked=("deu_Latn",))
    # The import leaves "" out, as it does every language that is not asked for.
    assert entries[1] == {"eng_Latn": "Bye", "": "Hallo"}


def test_an_ambiguous_tag_is_an_error_that_the_languages_asked_for_settle(tmp_path: Path) -> None:
    units = UNIT.format("Hello").replace('"de"', '"zh"')
    with pytest.raises(
        InputError,
        match=r'memory\.tmx:2: language "zh" is ambiguous; .*name all languages .*--languages',
    ):
        tmx(tmp_path, units)
    assert tmx(tmp_path, units, asked=("zho_Hans",))[0] == [
        {"eng_Latn": "Hello", "zho_Hans": "Hallo"}
    ]
    both = tmx(tmp_path, units, asked=("zho_Hans", "zho_Hant"))[0]
    assert both == [{"eng_Latn": "Hello", "zh": "Hallo"}]  # no code, so it is left out


# XLIFF


V12 = """<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file source-language="en" {}><body><group>
<trans-unit id="1"><source>One <g id="1">big</g><x id="2"/> thing<x ctype="lb"/>here</source><target>Eins</target>
  <alt-trans><source>Wrong</source><target>Falsch</target></alt-trans></trans-unit>
<trans-unit id="2"><source>Two</source><target state="needs-review-translation">Zwei</target></trans-unit>
<trans-unit id="3"><source>Three</source><target state="translated">Drei</target></trans-unit>
<trans-unit id="4"><source>Four</source></trans-unit>
</group></body></file></xliff>"""


def test_xliff_1_gives_its_finished_units_and_no_proposals(tmp_path: Path) -> None:
    entries, left_out = xliff(tmp_path, V12.format('target-language="de"'))
    assert entries == [
        {"eng_Latn": "One big thing here", "deu_Latn": "Eins"},
        {},
        {"eng_Latn": "Three", "deu_Latn": "Drei"},
        {"eng_Latn": "Four"},
    ]
    assert left_out == {"fuzzy": 1}


def test_xliff_that_does_not_say_its_target_language_has_it_from_its_name_or_the_languages(
    tmp_path: Path,
) -> None:
    assert xliff(tmp_path, V12.format(""), "messages.de.xlf")[0][2] == {
        "eng_Latn": "Three",
        "deu_Latn": "Drei",
    }
    assert xliff(tmp_path, V12.format(""), asked=("nld_Latn",))[0][2] == {
        "eng_Latn": "Three",
        "nld_Latn": "Drei",
    }
    with pytest.raises(
        InputError,
        match=r"app\.xlf:3: the file does not say its target language; name it with --languages",
    ):
        xliff(tmp_path, V12.format(""))


def test_xliff_2_gives_segments_and_neither_ignorables_nor_matches(tmp_path: Path) -> None:
    text = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="fr-CA">
    <file id="f"><unit id="1"><mtc:matches xmlns:mtc="urn:oasis:names:tc:xliff:matches:2.0"><mtc:match>
        <source>Wrong</source><target>Faux</target></mtc:match></mtc:matches>
      <segment><source>A <pc id="1">b</pc><ph id="2"/>.</source><target>Un <mrk id="m">b</mrk>.</target></segment>
      <ignorable><source> </source><target> </target></ignorable>
      <segment state="initial"><source>C</source><target>C</target></segment>
      <segment state="final"><source>D</source><target>Dé</target></segment>
      <segment state="initial"><source>E</source></segment></unit></file></xliff>"""
    assert xliff(tmp_path, text) == (
        [
            {"eng_Latn": "A b.", "fra_Latn": "Un b."},
            {},
            {"eng_Latn": "D", "fra_Latn": "Dé"},
            {"eng_Latn": "E"},
        ],
        {"fuzzy": 1},
    )


# PO


HEADER = 'msgid ""\nmsgstr ""\n"Language: {}\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'


def test_po_leaves_fuzzy_and_obsolete_messages_out_and_ignores_context(tmp_path: Path) -> None:
    text = HEADER.format("de") + (
        'msgid "Hello"\nmsgstr "Hallo"\n\n#, fuzzy\n#| msgid "By"\nmsgid "Bye"\nmsgstr "Bei"\n\n'
        'msgctxt "menu"\nmsgid "Open"\nmsgstr "\u00d6ffnen"\n\nmsgctxt "state"\nmsgid "Open"\nmsgstr "Of"\n"fen"\n\n'
        'msgid "None"\nmsgstr ""\n\n#~ msgid "gone"\n#~ msgstr "weg"\n'
    )
    entries, left_out = po(tmp_path, b"\xef\xbb\xbf" + text.encode(), "app.po")
    pairs = [tuple(entry.values()) for entry in entries]
    assert pairs == [
        ("Hello", "Hallo"),
        (),
        ("Open", "\u00d6ffnen"),
        ("Open", "Offen"),
        ("None", ""),
        (),
    ]
    assert left_out == {"fuzzy": 1, "obsolete": 1}


@pytest.mark.parametrize(
    ("rule", "form"),
    [
        ("", "form0"),
        ("nplurals=2; plural=(n != 1);", "form0"),
        ("nplurals=3; plural=n==0 ? 0 : n==1 ? 1 : 2;", "form1"),
    ],
)
def test_of_a_plural_the_singular_is_read_by_the_rule_of_the_file(
    tmp_path: Path, rule: str, form: str
) -> None:
    text = (
        f'msgid ""\nmsgstr "Plural-Forms: {rule}\\n"\n\nmsgid "%d file"\nmsgid_plural "%d files"\n'
    )
    text += "".join(f'msgstr[{i}] "form{i}"\n' for i in range(3))
    assert po(tmp_path, text)[0] == [{"eng_Latn": "%d file", "deu_Latn": form}]


@pytest.mark.parametrize(
    ("header", "name", "asked", "language"),
    [
        ("pt_BR", "x.po", (), "por_Latn"),
        ("sr@cyrillic", "x.po", (), "srp_Cyrl"),
        ("ca@valencia", "x.po", (), "cat_Latn"),
        ("fr", "de.po", (), "fra_Latn"),
        ("", "app.de.po", (), "deu_Latn"),
        ("", "locale/zh_CN/LC_MESSAGES/app.po", (), "zho_Hans"),
        ("", "app.po", ("eng_Latn", "swe_Latn"), "swe_Latn"),
    ],
)
def test_the_language_of_a_po_file(
    tmp_path: Path, header: str, name: str, asked: tuple[str, ...], language: str
) -> None:
    text = HEADER.format(header) + 'msgid "a"\nmsgstr "b"\n'
    assert po(tmp_path, text, name, asked)[0] == [{"eng_Latn": "a", language: "b"}]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (
            'msgid "a"\nmsgstr "b"\n',
            "app.po",
            r"app\.po does not say its language; name it like de\.po",
        ),
        ('msgid "a"\nmsgstr "b"\n', "en.po", r"en\.po has its translations in eng_Latn, the pivot"),
        (HEADER.format("xx"), "app.po", r'app\.po, header: language "xx" is unknown'),
        ("Dear all,\n", "de.po", r"de\.po is no PO file: Syntax error in po file .*\(line 1\)"),
        (b'msgid "a"\nmsgstr "f\xfcnf"\n', "de.po", r"de\.po:2: byte 10 of the line is not utf-8"),
        (
            'msgid ""\nmsgstr "Plural-Forms: plural=n!;\\n"\n',
            "de.po",
            r"de\.po, header: Plural-Forms cannot be read",
        ),
        (
            'msgid ""\nmsgstr "Plural-Forms: plural=n%0;\\n"\n',
            "de.po",
            r"header: Plural-Forms cannot be read: .*zero",
        ),
    ],
)
def test_a_po_file_that_cannot_be_read_is_refused(
    tmp_path: Path, text: str | bytes, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        po(tmp_path, text, name)


def test_po_in_its_own_encoding_is_read(tmp_path: Path) -> None:
    text = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"\n\nmsgid "five"\nmsgstr "f\u00fcnf"\n'
    assert po(tmp_path, text.encode("latin-1"))[0] == [
        {"eng_Latn": "five", "deu_Latn": "f\u00fcnf"}
    ]


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".GZ"])
def test_compressed_po_is_read_as_the_plain_file_would_be(tmp_path: Path, suffix: str) -> None:
    def packed(text: bytes) -> bytes:
        packed = pa.compress(text, codec=COMPRESSIONS[suffix.lower()], asbytes=True)
        assert isinstance(packed, bytes)
        return packed

    text = 'msgid "one\u2028two"\nmsgstr "eins\u2028zwei"\n'
    for name in (f"de.po{suffix}", f"app.de.po{suffix}", f"de/LC_MESSAGES/app.po{suffix}"):
        assert po(tmp_path, packed(text.encode()), name)[0] == [
            {"eng_Latn": "one\u2028two", "deu_Latn": "eins\u2028zwei"}
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


def test_compressed_xliff_has_its_language_from_its_name(tmp_path: Path) -> None:
    path = tmp_path / "messages.de.xlf.gz"
    path.write_bytes(gzip.compress(V12.format("").encode()))
    assert list(read_xliff(path, tags(), Counter()))[2] == {"eng_Latn": "Three", "deu_Latn": "Drei"}
