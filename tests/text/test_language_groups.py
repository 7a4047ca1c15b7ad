"""Groups of languages: their table, its copy in the documentation, and how lists with them read."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.text.language_groups import language_groups, languages_of_group, parse_targets
from hexapla.text.languages import LANGUAGES, codes_of

DOCS = Path(__file__).parents[2] / "docs" / "languages.md"


def test_groups_hold_languages_of_flores_each_once() -> None:
    for group in language_groups().values():
        assert len(set(group.languages)) == len(group.languages) > 1
        assert all(LANGUAGES[code].in_flores for code in group.languages), group.name
    assert set(languages_of_group("european-union")) < set(languages_of_group("europe"))
    assert len(languages_of_group("european-union")) == 24


def test_no_group_has_the_name_of_a_language() -> None:
    assert [name for name in language_groups() if codes_of(name)] == []


@pytest.mark.parametrize("name", ["paper", "paper-diverse"])
def test_the_groups_of_the_recipes_are_what_the_recipes_translate_into(name: str) -> None:
    path = resources.files("hexapla").joinpath("data", "experiments", f"{name}.toml")
    (corpus,) = tomllib.loads(path.read_text(encoding="utf-8"))["corpora"].values()
    assert languages_of_group(name) == tuple(corpus["build"]["to"])


def test_a_script_is_the_languages_of_flores_in_it() -> None:
    assert languages_of_group("script:Ethi") == ("amh_Ethi", "tir_Ethi")
    every = [code for code in LANGUAGES if LANGUAGES[code].in_flores]
    scripts = {code[-4:] for code in every}
    assert sum(len(languages_of_group(f"script:{script}")) for script in scripts) == len(every)


def test_the_documentation_has_the_table_of_groups() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    for name, about, codes in language_groups().values():
        assert f"| `{name}` | {len(codes)} | {about}: {', '.join(codes)} |" in lines


def test_languages_and_groups_keep_their_order() -> None:
    assert parse_targets([" Swahili", "indic", "de ", "indic"]) == (
        "swh_Latn",
        "indic",
        "deu_Latn",
    )


@pytest.mark.parametrize(
    ("items", "told"),
    [
        (
            ["de", "nordic"],
            r'^language "nordic" is unknown.*; groups of languages: paper, paper-diverse, european-union, '
            r"europe, indic or a script such as script:Latn$",
        ),
        (["europ"], r'^language "europ" is unknown.*; did you mean "europe"\?; groups'),
        (["script:latn"], r'^group "script:latn" has no language; the scripts are Arab.* "Latn"\?'),
        (["zh", "europe"], r'^language "zh" is ambiguous; write one of: [^;]*$'),
        (["de", "", "europe"], r"item 2 is empty"),
        ([], r"0 given; name at least 1$"),
    ],
)
def test_an_unknown_language_or_group_is_refused_with_the_groups(
    items: list[str], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        parse_targets(items)
