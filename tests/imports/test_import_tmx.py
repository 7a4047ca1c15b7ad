"""TMX: every unit and variant is read, in which language, and what inline codes leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.imports.tmx import read_tmx
from hexapla.text.language_tags import LanguageTags

UNIT = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv><tuv xml:lang="de"><seg>Hallo</seg></tuv></tu>'

Read = list[tuple[list[tuple[str, str]], str]]


def tmx(tmp_path: Path, units: str, *asked: str) -> Read:
    """Return of each unit its (code, text) and why it is left out."""
    path = tmp_path / "memory.tmx"
    path.write_text(f"<tmx><header/><body>\n{units}\n</body></tmx>", encoding="utf-8")
    entries = read_tmx(path, LanguageTags("eng_Latn", asked or None))
    return [
        ([(meaning.code, text) for meaning, text in each.texts], each.left_out) for each in entries
    ]


def english(tmp_path: Path, segment: str) -> str:
    """Return the text of a segment, with single spaces as every text gets them later."""
    return " ".join(tmx(tmp_path, UNIT.format(segment))[0][0][0][1].split())


# Units and variants


def test_every_unit_is_an_entry_with_all_its_texts(tmp_path: Path) -> None:
    units = (
        UNIT.format("Hello")
        + '<tu><tuv xml:lang="en"/><tuv xml:lang="de"/></tu>'
        + "<tu><note>Nothing here</note></tu><tu/>"
        + '<tu><tuv xml:lang="en"><seg/></tuv><tuv xml:lang="de"><seg> </seg></tuv></tu>'
        + '<tu><tuv xml:lang="en"><seg>Bye</seg></tuv><tuv xml:lang="de"/></tu>'
    )
    assert tmx(tmp_path, units) == [
        ([("eng_Latn", "Hello"), ("deu_Latn", "Hallo")], ""),
        ([], "no segment"),
        ([], "no segment"),
        ([], "no segment"),
        ([("eng_Latn", ""), ("deu_Latn", " ")], ""),
        ([("eng_Latn", "Bye"), ("deu_Latn", "")], ""),
    ]


def test_tags_of_any_shape_are_languages(tmp_path: Path) -> None:
    units = "".join(
        f'<tuv {attribute}="{tag}"><seg>{tag}</seg></tuv>'
        for attribute, tag in [
            ("xml:lang", "EN-US"),
            ("lang", "PT-BR"),
            ("xml:lang", "zh-tw"),
            ("xml:lang", "sv_se"),
        ]
    )
    assert tmx(tmp_path, f"<tu>{units}</tu>") == [
        (
            [
                ("eng_Latn", "EN-US"),
                ("por_Latn", "PT-BR"),
                ("zho_Hant", "zh-tw"),
                ("swe_Latn", "sv_se"),
            ],
            "",
        )
    ]


def test_all_variants_of_a_language_are_read_with_their_ranks(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    units = "".join(
        f'<tuv xml:lang="{tag}"><seg>{text}</seg></tuv>'
        for tag, text in [("en", "Colour"), ("fr-CA", ""), ("fr-FR", "Couleur")]
    )
    path.write_text(f"<tmx><body><tu>{units}</tu></body></tmx>", encoding="utf-8")
    (entry,) = read_tmx(path, LanguageTags("eng_Latn", None))
    (_, (canada, empty), (france, text)) = entry.texts
    assert (canada.code, empty, france.code, text) == ("fra_Latn", "", "fra_Latn", "Couleur")
    assert france.rank < canada.rank


@pytest.mark.parametrize(
    "attributes", ['xml:lang="de" lang="fr"', 'lang="fr" xml:lang="de"', 'lang="de" xml:lang=""']
)
def test_xml_lang_wins_over_lang_in_any_order_unless_it_is_empty(
    tmp_path: Path, attributes: str
) -> None:
    units = UNIT.format("Hello").replace('xml:lang="de"', attributes)
    assert tmx(tmp_path, units)[0][0][1] == ("deu_Latn", "Hallo")


@pytest.mark.parametrize("attribute", ["", ' xml:lang=""', ' xml:lang=" "'])
def test_a_variant_without_a_language_is_named_with_its_line(
    tmp_path: Path, attribute: str
) -> None:
    units = UNIT.format("Hello") + "\n" + UNIT.format("Bye").replace(' xml:lang="de"', attribute)
    with pytest.raises(
        InputError, match=r"memory\.tmx:3: the <tuv> has no xml:lang, so nothing says its language"
    ):
        tmx(tmp_path, units)
    # The import leaves "" out, as it does every language that is not asked for.
    assert tmx(tmp_path, units, "deu_Latn")[1] == ([("eng_Latn", "Bye"), ("", "Hallo")], "")


def test_an_ambiguous_tag_is_an_error_that_the_languages_asked_for_settle(tmp_path: Path) -> None:
    units = UNIT.format("Hello").replace('"de"', '"zh"')
    with pytest.raises(
        InputError,
        match=r'memory\.tmx:2: language "zh" is ambiguous; .*name the one to keep with --languages',
    ):
        tmx(tmp_path, units)
    assert tmx(tmp_path, units, "zho_Hans")[0][0][1] == ("zho_Hans", "Hallo")
    both = tmx(tmp_path, units, "zho_Hans", "zho_Hant")[0][0][1]
    assert both == ("zh", "Hallo")  # no code, so it is left out


def test_texts_outside_a_unit_are_an_entry_that_is_left_out(tmp_path: Path) -> None:
    stray = UNIT.format("Stray").removeprefix("<tu>").removesuffix("</tu>")
    outside = ([("eng_Latn", "Stray"), ("deu_Latn", "Hallo")], "outside <tu>")
    inside = ([("eng_Latn", "Hello"), ("deu_Latn", "Hallo")], "")
    read = tmx(tmp_path, stray + UNIT.format("Hello") + stray)
    assert read == [outside, inside, outside]


# Inline codes


def test_markup_and_native_code_are_no_text(tmp_path: Path) -> None:
    text = 'A <bpt i="1">&lt;b&gt;</bpt><hi>bold <hi>new</hi></hi><ept i="1">&lt;/b&gt;</ept>'
    text += (
        '<ph type="lb">&lt;br/&gt;</ph><![CDATA[R&D]]> &amp; <it pos="begin">x</it>more<!-- no -->'
    )
    assert english(tmp_path, text) == "A bold new R&D & more"


@pytest.mark.parametrize(
    "code",
    [
        "<ph>&lt;br/&gt;</ph>",
        "<ph>&lt;BR /&gt;</ph>",
        "<ph>&amp;lt;br&amp;gt;</ph>",
        r"<ph>\n</ph>",
        r"<ph>\t</ph>",
        r"<ph>\r\n</ph>",
        "<ph>\n</ph>",
        "<ph>&#9;</ph>",
        "<ph>&amp;nbsp;</ph>",
        "<ph>&amp;#10;</ph>",
        '<ph type="lb"/>',
        '<ph type="pb"/>',
        '<ph type="x-tab"/>',
        '<ph type="x-html-br"/>',
        '<ph type="x-SOFT_LINE_BREAK"/>',
        '<ph type="x-lb-forced;"/>',
        '<it pos="end">&lt;/p&gt;</it><it pos="begin">&lt;p class="a"&gt;</it>',
        '<it pos="end">&lt;/td&gt;</it>',
        '<ept i="1">&lt;/li&gt;</ept><bpt i="2">&lt;li&gt;</bpt>',
        '<bpt i="1">&lt;h2&gt;</bpt>',
        "<ph>&lt;w:br/&gt;</ph>",
        "<ph>&lt;text:tab/&gt;</ph>",
        "<ph>&lt;text:line-break/&gt;</ph>",
        r"<ut>\par </ut>",
        r"<ut>\line </ut>",
        r"<ph>\tab </ph>",
        r"<ut>{\cell }</ut>",
        "<br/>",
        '<bpt i="1" type="x-p"/>',
    ],
)
def test_code_that_separates_words_becomes_a_space(tmp_path: Path, code: str) -> None:
    assert english(tmp_path, f"one{code}two") == "one two"


@pytest.mark.parametrize(
    "code",
    [
        '<bpt i="1">&lt;b&gt;</bpt>',
        '<ept i="1">&lt;/b&gt;</ept>',
        '<bpt i="1" type="bold"/>',
        '<it pos="begin">&lt;font color="red"&gt;</it>',
        "<ph>&lt;i&gt;</ph>",
        "<ph>&lt;text:span text:style-name='T1'&gt;</ph>",
        '<ph type="x-link">&lt;a href="p"&gt;</ph>',
        '<bpt i="1" type="x-unknown">&lt;whatever&gt;</bpt>',
        '<hi type="x-term">',
        r"<ut>{\b </ut>",
        r"<ut>\pard\cf1 </ut>",
        "<ut>}</ut>",
        "<ph>&amp;amp;</ph>",
        "<ph>_</ph>",
        "<ph>**</ph>",
        "<ph>&amp;shy;</ph>",
        "<ph>&amp;zwnj;</ph>",
        "<ph>&lt;wbr&gt;</ph>",
    ],
)
def test_bold_colours_links_and_accelerators_within_a_word_leave_nothing(
    tmp_path: Path, code: str
) -> None:
    closing = "</hi>" if code.startswith("<hi") else ""
    assert english(tmp_path, f"one{code}two{closing}") == "onetwo"


@pytest.mark.parametrize("code", ["<ph>{0}</ph>", "<ph>%s</ph>", "<ph/>", '<ph x="1"/><ph x="2"/>'])
@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("one{}two", "one two"),
        ("one {} two", "one two"),
        ("one {}two", "one two"),
        ("one {}.", "one ."),
        ("one{}.", "one."),
        ("({}one)", "(one)"),
        ("{}one", "one"),
        ("One.{}Two", "One. Two"),
        ("हिंदी{}में", "हिंदी में"),
        ("第一{}行", "第一行"),
    ],
)
def test_a_code_that_may_stand_for_a_word_parts_words_and_nothing_else(
    tmp_path: Path, code: str, text: str, without: str
) -> None:
    assert english(tmp_path, text.format(code)) == without


def test_a_text_within_native_code_is_counted_apart_from_its_sentence(tmp_path: Path) -> None:
    text = 'See<ph type="fnote">\\footnote{<sub>A <bpt i="1">b</bpt>note</sub>}</ph> here'
    assert tmx(tmp_path, UNIT.format(text)) == [
        ([("eng_Latn", "See here"), ("deu_Latn", "Hallo")], ""),
        ([("eng_Latn", "A note")], "text within native code"),
    ]
