"""Characters that only Simplified or only Traditional Chinese has."""

from __future__ import annotations

import pytest

from hexapla.text.han_variants import count_variant_characters, only_in


@pytest.mark.parametrize("character", "后里干台只面云于系着群裡裏峰峯才")
def test_characters_that_both_variants_have_are_in_neither_list(character: str) -> None:
    assert not only_in()["Hans"].search(character)


@pytest.mark.parametrize("character", "为群床台才卫衞衛線綫爲為麪麵裡裏")
def test_no_character_is_in_both_lists(character: str) -> None:
    assert not (only_in()["Hans"].search(character) and only_in()["Hant"].search(character))


@pytest.mark.parametrize("character", "線綫為爲麵麪裡裏衛衞")
def test_forms_of_taiwan_and_hong_kong_are_no_sign_of_simplified_text(character: str) -> None:
    assert not only_in()["Hans"].search(character)


def test_a_sentence_is_counted_for_both_variants() -> None:
    assert count_variant_characters("我们说汉语,不說漢語", "Hans") == (4, 3)
    assert count_variant_characters("我们说汉语,不說漢語", "Hant") == (3, 4)
