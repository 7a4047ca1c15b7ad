"""XLIFF 1.2 and 2.x: which units are read, in which language, which are unfinished, and the text."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.imports.xliff import read_xliff
from hexapla.text.language_tags import LanguageTags

Read = list[tuple[list[tuple[str, str]], str]]

V12 = """<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file source-language="en" {}><body><group>
<trans-unit id="1"><source>One <g id="1">big</g><x id="2"/> thing<x ctype="lb"/>here</source><target>Eins</target>
  <alt-trans><source>Wrong</source><target>Falsch</target></alt-trans></trans-unit>
<trans-unit id="2"><source>Two</source><target state="needs-review-translation">Zwei</target></trans-unit>
<trans-unit id="3"><source>Three</source><target state="translated">Drei</target></trans-unit>
<trans-unit id="4"><source>Four</source></trans-unit>
</group></body></file></xliff>"""


def xliff(
    tmp_path: Path, text: str, *asked: str, name: str = "app.xlf", keep_unfinished: bool = False
) -> Read:
    """Return of each unit its (code, text) and why it is left out."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    tags = LanguageTags("eng_Latn", asked or None)
    entries = read_xliff(
        path, tags, keep_unfinished=keep_unfinished, strip_accelerators=name.startswith("menu")
    )
    return [
        ([(meaning.code, text) for meaning, text in each.texts], each.left_out) for each in entries
    ]


def v12(units: str) -> str:
    declared = 'source-language="en" target-language="de"'
    return f'<xliff version="1.2"><file {declared}><body>{units}</body></file></xliff>'


def v2(units: str) -> str:
    return f'<xliff version="2.0" srcLang="en" trgLang="de"><file id="f">{units}</file></xliff>'


def unit(unit: str = "", target: str = "", text: str = "Ja", more: str = "") -> str:
    return (
        f"<trans-unit {unit}><source>Yes</source><target {target}>{text}</target>{more}"
        "</trans-unit>"
    )


def reasons(read: Read) -> list[str]:
    return [left_out for _, left_out in read]


# Units


def test_xliff_1_gives_all_its_units_and_no_proposals(tmp_path: Path) -> None:
    assert xliff(tmp_path, V12.format('target-language="de"')) == [
        ([("eng_Latn", "One big thing here"), ("deu_Latn", "Eins")], ""),
        ([("eng_Latn", "Two"), ("deu_Latn", "Zwei")], "unfinished: needs-review-translation"),
        ([("eng_Latn", "Three"), ("deu_Latn", "Drei")], ""),
        ([("eng_Latn", "Four")], ""),
    ]


def test_xliff_2_gives_segments_and_neither_ignorables_nor_matches(tmp_path: Path) -> None:
    text = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="fr-CA">
    <file id="f"><unit id="1"><mtc:matches xmlns:mtc="urn:oasis:names:tc:xliff:matches:2.0"><mtc:match>
        <source>Wrong</source><target>Faux</target></mtc:match></mtc:matches>
      <segment><source>A <pc id="1">b</pc><ph id="2"/>.</source><target>Un <mrk id="m">b</mrk>.</target></segment>
      <ignorable><source> </source><target> </target></ignorable>
      <segment state="initial"><source>C</source><target>C</target></segment>
      <segment state="final"><source>D</source><target>Dé</target></segment>
      <segment state="initial"><source>E</source></segment><segment/></unit></file></xliff>"""
    assert xliff(tmp_path, text) == [
        ([("eng_Latn", "A b."), ("fra_Latn", "Un b.")], ""),
        ([("eng_Latn", "C"), ("fra_Latn", "C")], "unfinished: initial"),
        ([("eng_Latn", "D"), ("fra_Latn", "Dé")], ""),
        ([("eng_Latn", "E")], ""),
        ([], "no segment"),
    ]


def test_accelerators_are_stripped_if_asked_for(tmp_path: Path) -> None:
    text = v12(unit(text="&amp;Ja"))
    assert xliff(tmp_path, text)[0][0][1] == ("deu_Latn", "&Ja")
    assert xliff(tmp_path, text, name="menu.xlf")[0][0][1] == ("deu_Latn", "Ja")


# Languages


def test_the_target_language_is_taken_from_the_name_or_the_languages_if_the_file_lacks_it(
    tmp_path: Path,
) -> None:
    named = xliff(tmp_path, V12.format(""), name="messages.de.xlf")
    assert named[2][0] == [("eng_Latn", "Three"), ("deu_Latn", "Drei")]
    asked = xliff(tmp_path, V12.format(""), "nld_Latn")
    assert asked[2][0] == [("eng_Latn", "Three"), ("nld_Latn", "Drei")]
    with pytest.raises(
        InputError,
        match=r"app\.xlf:3: the file does not say its target language; name it with --languages",
    ):
        xliff(tmp_path, V12.format(""))


def test_compressed_xliff_has_its_language_from_its_name(tmp_path: Path) -> None:
    path = tmp_path / "messages.de.xlf.gz"
    path.write_bytes(gzip.compress(V12.format("").encode()))
    (*_, three, _) = read_xliff(path, LanguageTags("eng_Latn", None))
    assert [(of.code, text) for of, text in three.texts] == [
        ("eng_Latn", "Three"),
        ("deu_Latn", "Drei"),
    ]


def test_a_file_within_xliff_does_not_inherit_the_language_of_the_one_before(
    tmp_path: Path,
) -> None:
    units = f"<body>{unit()}</body>"
    text = (
        f'<xliff><file source-language="en" target-language="fr">{units}</file>'
        f'<file source-language="en">{units}</file></xliff>'
    )
    codes = [texts[1][0] for texts, _ in xliff(tmp_path, text, "fra_Latn")]
    assert codes == ["fra_Latn", "fra_Latn"]
    with pytest.raises(InputError, match=r"app\.xlf:1: the file does not say its target language"):
        xliff(tmp_path, text)


def test_the_languages_of_xliff_2_hold_for_all_its_files(tmp_path: Path) -> None:
    segment = "<segment><source>Yes</source><target>Ja</target></segment>"
    text = v2(f"<unit>{segment}</unit>").replace(
        "</xliff>", f'<file id="g"><unit>{segment}</unit></file></xliff>'
    )
    assert xliff(tmp_path, text) == [([("eng_Latn", "Yes"), ("deu_Latn", "Ja")], "")] * 2


@pytest.mark.parametrize("asked", [(), ("deu_Latn",)])
def test_a_source_is_never_taken_for_the_language_of_the_name(
    tmp_path: Path, asked: tuple[str, ...]
) -> None:
    with pytest.raises(
        InputError,
        match=r"app\.de\.xlf:1: the file does not say its source language; add source-language=",
    ):
        text = f"<xliff><file><body>{unit()}</body></file></xliff>"
        xliff(tmp_path, text, *asked, name="app.de.xlf")


def test_the_language_of_a_text_itself_wins(tmp_path: Path) -> None:
    text = v12(unit(target='xml:lang="nl"') + unit())
    assert [texts[1][0] for texts, _ in xliff(tmp_path, text)] == ["nld_Latn", "deu_Latn"]


# What is not for translation, or unfinished


def test_units_that_are_not_for_translation_are_left_out_as_their_group_says(
    tmp_path: Path,
) -> None:
    text = v12(
        unit('translate="no"')
        + f'<group translate="no">{unit()}<group>{unit()}</group>'
        + unit('translate="yes"')
        + f"</group>{unit()}"
    )
    no = "not for translation"
    assert reasons(xliff(tmp_path, text)) == [no, no, no, "", ""]
    assert reasons(xliff(tmp_path, text, keep_unfinished=True)) == [no, no, no, "", ""]
    segment = "<segment><source>Yes</source><target>Ja</target></segment>"
    text = v2(
        f'<unit translate="no">{segment}</unit><group translate="no"><unit>{segment}</unit>'
        f'<unit translate="yes">{segment}</unit></group><unit>{segment}</unit>'
    )
    assert reasons(xliff(tmp_path, text)) == [no, no, "", ""]
    text = text.replace('<file id="f">', '<file id="f" translate="no">')
    assert reasons(xliff(tmp_path, text)) == [no, no, "", no]


@pytest.mark.parametrize(
    ("attributes", "target", "reason"),
    [
        ("", 'state="new"', "unfinished: new"),
        ("", 'state="needs-translation"', "unfinished: needs-translation"),
        ("", 'state="needs-l10n"', "unfinished: needs-l10n"),
        ("", 'state="x-needs-work"', "unfinished: x-needs-work"),
        ("", 'state="rejected"', "unfinished: rejected"),
        ('approved="yes"', 'state="needs-adaptation"', "unfinished: needs-adaptation"),
        ("", 'state-qualifier="rejected-grammar"', "unfinished: rejected-grammar"),
        ("", 'state-qualifier="fuzzy-match"', "unfinished: fuzzy-match"),
        ("", 'state-qualifier="leveraged-mt"', "unfinished: leveraged-mt"),
        ('approved="no"', "", "not approved"),
        ('approved="no"', 'state="translated"', "not approved"),
        ('xmlns:m="urn:m" m:confirmed="0"', "", "not confirmed"),
        ('xmlns:mq="urn:mq" mq:status="PartiallyEdited"', "", "unfinished: PartiallyEdited"),
        ('xmlns:mq="urn:mq" mq:status="Rejected"', "", "unfinished: Rejected"),
        ("", "", ""),
        ("", 'state="translated"', ""),
        ("", 'state="signed-off"', ""),
        ("", 'state="final" state-qualifier="leveraged-mt"', ""),
        ("", 'state-qualifier="exact-match"', ""),
        ('approved="yes"', "", ""),
        ('xmlns:m="urn:m" m:confirmed="1"', "", ""),
        ('xmlns:mq="urn:mq" mq:status="ManuallyConfirmed"', "", ""),
    ],
)
def test_a_unit_that_says_it_is_unfinished_is_left_out_unless_asked_for(
    tmp_path: Path, attributes: str, target: str, reason: str
) -> None:
    text = v12(unit(attributes, target))
    assert xliff(tmp_path, text) == [([("eng_Latn", "Yes"), ("deu_Latn", "Ja")], reason)]
    assert reasons(xliff(tmp_path, text, keep_unfinished=True)) == [""]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ('state="initial"', "unfinished: initial"),
        ('state="translated" subState="my:needs-review"', "unfinished: my:needs-review"),
        ('state="final" subState="my:rejected"', "unfinished: my:rejected"),
        ('state="translated"', ""),
        ('state="reviewed" subState="my:checked"', ""),
        ("", ""),
    ],
)
def test_a_segment_that_says_it_is_unfinished_is_left_out(
    tmp_path: Path, attributes: str, reason: str
) -> None:
    segment = f"<segment {attributes}><source>Yes</source><target>Ja</target></segment>"
    text = v2(f"<unit>{segment}</unit>")
    assert reasons(xliff(tmp_path, text)) == [reason]
    assert reasons(xliff(tmp_path, text, keep_unfinished=True)) == [""]


@pytest.mark.parametrize(
    ("confs", "reason"),
    [
        (['conf="Translated"', 'conf="ApprovedSignOff"'], ""),
        (['conf="Translated"', 'conf="Draft"'], "unfinished: Draft"),
        (['conf="RejectedTranslation"'], "unfinished: RejectedTranslation"),
        (["", 'conf="Translated"'], "unfinished: Unspecified"),
    ],
)
def test_a_unit_of_sdl_is_as_finished_as_its_least_finished_segment(
    tmp_path: Path, confs: list[str], reason: str
) -> None:
    segments = "".join(f'<sdl:seg id="{n}" {conf}/>' for n, conf in enumerate(confs))
    more = f'<sdl:seg-defs xmlns:sdl="urn:sdl">{segments}</sdl:seg-defs>'
    assert reasons(xliff(tmp_path, v12(unit(more=more)))) == [reason]


def test_a_unit_without_a_translation_is_not_called_unfinished(tmp_path: Path) -> None:
    text = v12(unit(target='state="new"', text=" ") + '<trans-unit approved="no"/>')
    assert xliff(tmp_path, text) == [
        ([("eng_Latn", "Yes"), ("deu_Latn", " ")], ""),
        ([], "no segment"),
    ]


def test_a_unit_with_segments_that_lack_their_translation_is_partly_translated(
    tmp_path: Path,
) -> None:
    def segmented(source: list[str], target: list[str]) -> str:
        marks = [
            "".join(f'<mrk mtype="seg" mid="{n}">{text}</mrk>' for n, text in enumerate(each))
            for each in (source, target)
        ]
        return (
            f"<trans-unit><source>1. Start</source><seg-source>{marks[0]}</seg-source>"
            f"<target>{marks[1]}</target></trans-unit>"
        )

    units = [
        segmented(["1.", "Start"], ["1.", ""]),
        segmented(["1.", "Start"], ["1."]),
        segmented(["1.", "Start"], ["1.", "Anfang"]),
        segmented(["1. Start", ""], ["1. Anfang", ""]),
        segmented(["1.", "Start"], ["", ""]),
    ]
    partly = "partly translated"
    assert reasons(xliff(tmp_path, v12("".join(units)))) == [partly, partly, "", "", ""]


# Inline codes


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ('one<x id="1" ctype="lb"/>two', "one two"),
        ('one<x id="LINE_BREAK" equiv-text="&lt;br/&gt;"/>two', "one two"),
        ('one<x id="LINE_BREAK" ctype="br"/>two', "one two"),
        ('one<x id="CLOSE_PARAGRAPH"/><x id="START_PARAGRAPH" ctype="x-p"/>two', "one two"),
        ('one<x id="1" equiv-text="&lt;/p&gt;"/>two', "one two"),
        (r'one<ph id="1" equiv-text="\n">\n</ph>two', "one two"),
        ('one<g id="1" ctype="x-html-p">two</g>three', "one two three"),
        ('one<bx id="1" ctype="x-p"/>two<ex id="1"/>three', "one two three"),
        ('one<x id="START_BOLD_TEXT" ctype="x-b" equiv-text="&lt;b&gt;"/>two', "onetwo"),
        ('one<g id="1" ctype="bold">two</g>', "onetwo"),
        ('one<bx id="1"/>two<ex id="1"/>', "onetwo"),
        ('one<g id="1">two</g>', "onetwo"),
        ('H<bpt id="1" ctype="x-sub"/>2<ept id="1"/>O', "H2O"),
        ('co<ph ctype="x-hyphen-discretionary">-</ph>operate', "cooperate"),
        ('one<x id="5"/>two', "one two"),
        ('one<x id="INTERPOLATION" equiv-text="{{name}}"/>two', "one two"),
        ('<x id="INTERPOLATION" equiv-text="{{name}}"/>, one', ", one"),
        ('<mrk mtype="seg" mid="1">One.</mrk><mrk mtype="seg" mid="2">Two.</mrk>', "One. Two."),
        ('<mrk mtype="seg" mid="1">一。</mrk><mrk mtype="seg" mid="2">二。</mrk>', "一。二。"),
        ('o<mrk mtype="x-term">ne</mrk>', "one"),
    ],
)
def test_codes_of_xliff_1_part_words_as_in_the_original(
    tmp_path: Path, codes: str, text: str
) -> None:
    ((texts, _),) = xliff(tmp_path, v12(unit(text=codes)))
    assert " ".join(texts[1][1].split()) == text


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ('one<ph id="1" equiv="LINE_BREAK" disp="&lt;br/&gt;"/>two', "one two"),
        ('one<ph id="1" type="fmt" subType="xlf:lb"/>two', "one two"),
        ('one<ph id="1" dataRef="d1"/>two', "one two"),
        ('one<ph id="1" dataRef="d2"/>two', "onetwo"),
        ('one<ph id="1" dataRef="d3"/>two', "one two"),
        ('one<pc id="1" dataRefStart="d4" dataRefEnd="d5">two</pc>three', "one two three"),
        ('one<pc id="1" dispStart="&lt;b&gt;" dispEnd="&lt;/b&gt;">two</pc>', "onetwo"),
        ('one<pc id="1" equivStart="START_LIST_ITEM">two</pc>three', "one two three"),
        ('one<sc id="1" disp="&lt;p&gt;"/>two<ec startRef="1"/>three', "one two three"),
        ('one<sc id="1" type="fmt" subType="xlf:b"/>two<ec startRef="1"/>', "onetwo"),
        ('one<cp hex="0009"/>two', "one two"),
        ('one<cp hex="001B"/>two', "onetwo"),
        ('one<cp hex="zz"/>two', "onetwo"),
        ('one<mrk id="m">two</mrk><sm id="a"/><em startRef="a"/>', "onetwo"),
        ('one<ph id="1" equiv="NAME" disp="{{name}}"/>two', "one two"),
        ('one<ph id="1"/>two', "one two"),
    ],
)
def test_codes_of_xliff_2_part_words_as_in_the_original(
    tmp_path: Path, codes: str, text: str
) -> None:
    data = (
        '<originalData><data id="d1">&lt;br&gt;</data><data id="d2">&lt;b&gt;</data>'
        '<data id="d3"><cp hex="000A"/></data><data id="d4">&lt;p&gt;</data>'
        '<data id="d5">&lt;/p&gt;</data></originalData>'
    )
    segment = f"<segment><source>Yes</source><target>{codes}</target></segment>"
    ((texts, _),) = xliff(tmp_path, v2(f"<unit>{data}{segment}</unit>"))
    assert " ".join(texts[1][1].split()) == text


def test_codes_that_the_header_of_an_sdl_file_defines_are_known(tmp_path: Path) -> None:
    tag = '<tag id="{}"><ph name="x">{}</ph></tag>'
    tags = tag.format(1, "&lt;br/&gt;") + tag.format(2, "&lt;b&gt;")
    text = v12(unit(text='one<x id="1"/>two<x id="2"/>three')).replace(
        "<body>", f'<header><sdl:tag-defs xmlns:sdl="urn:sdl">{tags}</sdl:tag-defs></header><body>'
    )
    ((texts, _),) = xliff(tmp_path, text)
    assert texts[1][1] == "one twothree"
