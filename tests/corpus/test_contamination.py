"""Which evaluation sentence a row holds, how it was recognised, and the facts for the manifest."""

from __future__ import annotations

import hashlib
import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest

from hexapla.corpus.contamination import Contamination, Match
from hexapla.errors import InputError

ELEVEN = "one two three four five six seven eight nine ten eleven"  # four 8-grams


def index(*sentences: str, name: str = "test.txt") -> Contamination:
    contamination = Contamination()
    contamination.add_set(name, sentences)
    return contamination


def test_a_sentence_is_found_whatever_its_case_punctuation_and_white_space() -> None:
    contamination = index("It’s 3 o'clock, Straße\u00a0No. 5!")
    expected = Match("test.txt", "It’s 3 o'clock, Straße\u00a0No. 5!", 0, "equal")
    assert contamination.match(["IT'S 3  O’CLOCK — strasse no 5"]) == expected
    assert contamination.match(["It's 4 o'clock, Straße No. 5!"]) is None


def test_the_shortest_sentences_count_too_but_only_as_a_whole_cell() -> None:
    contamination = index("Yes.")
    assert contamination.match(["yes"]) == Match("test.txt", "Yes.", 0, "equal")
    assert contamination.match(["Yes, he said."]) is None


def test_more_than_half_of_the_8_grams_are_a_match_and_half_is_none() -> None:
    contamination = index(ELEVEN)
    # The first ten words have three of the four 8-grams, the first nine have two.
    assert contamination.match(
        ["before: One, two three four five six seven eight nine ten - after"]
    ) == Match("test.txt", ELEVEN, 0, "8-grams")
    assert (
        contamination.match(["before one two three four five six seven eight nine after"]) is None
    )


def test_a_sentence_of_seven_words_is_found_only_as_a_whole_cell_and_one_of_eight_inside_one() -> (
    None
):
    seven, eight = "a b c d e f g", "h i j k l m n o"
    contamination = index(seven, eight)
    assert contamination.match([f"x {seven} y"]) is None
    assert contamination.match([f"x {eight} y"]) == Match("test.txt", eight, 0, "8-grams")


def test_8_grams_of_two_cells_are_not_added_up() -> None:
    first, second = (
        "one two three four five six seven eight nine",
        "three four five six seven eight nine ten eleven",
    )
    assert index(ELEVEN).match([first, second]) is None
    assert index(ELEVEN).match([f"{first} and {second}"]) is not None


def test_a_repeated_8_gram_counts_once() -> None:
    line = "row row row your boat gently down the"
    # 25 words with 18 8-grams, 9 of them distinct; the second text has 6 of the 9.
    chant = index(" ".join([line] * 3) + " stream")
    assert chant.match([line]) is None
    assert chant.match([f"{line} row row row your boat"]) is not None


def test_the_first_cell_that_holds_a_sentence_is_named() -> None:
    match = index("Good morning.", "Guten Morgen.").match(
        [None, "Bonjour.", "Guten Morgen!", "Good morning"]
    )
    assert match == Match("test.txt", "Guten Morgen.", 2, "equal")


def test_of_several_sentences_the_one_with_the_greatest_share_is_named() -> None:
    longer = f"{ELEVEN} twelve thirteen"
    contamination = index(longer, ELEVEN)
    # It has 4 of the 4 8-grams of ELEVEN, and 4 of the 6 of the longer one.
    match = contamination.match([f"x {ELEVEN} y"])
    assert match == Match("test.txt", ELEVEN, 0, "8-grams")
    assert contamination.match([longer]) == Match("test.txt", longer, 0, "equal")


def test_every_sentence_that_a_text_holds_is_named_by_the_same_measure() -> None:
    # Of the first ten words, ELEVEN has three of its four 8-grams there, its first eight words
    # their only one, and "two ... twelve" two of four.
    words = ELEVEN.split()
    eight, later = " ".join(words[:8]), " ".join([*words[1:], "twelve"])
    contamination = index(ELEVEN, eight, later, "Yes.")
    assert contamination.held(" ".join(["Yes:", *words[:10]])) == {ELEVEN, eight}
    assert contamination.held("yes") == {"Yes."}
    assert contamination.held("") == set()


def test_scripts_without_spaces_are_matched_by_runs_as_long_as_eight_words() -> None:
    # 22 characters have 7 runs of 16, and the first 19 of them have 4.
    sentence = "我们明天早上一起去图书馆看书然后回家吃饭休息"
    contamination = index(sentence)
    match = contamination.match([f"他说：{sentence[:19]}吗？"])
    assert match == Match("test.txt", sentence, 0, "8-grams")
    assert contamination.match([f"他说：{sentence[:18]}吗？"]) is None
    # A set phrase of a dozen characters is no sentence of the evaluation set.
    assert (
        index("心配する必要はありません。").match(["ハードウェアを購入する必要はありません。"])
        is None
    )


def test_texts_without_a_token_match_nothing() -> None:
    contamination = index("...", "Yes.")
    assert contamination.match(["!!!", "", None]) is None
    assert contamination.facts()[0]["n_sentences"] == 2
    assert index("Yes.", " ", "").facts() == index("Yes.").facts()


def test_the_index_agrees_with_the_definition_on_random_texts() -> None:
    draw = random.Random(7)
    sentences = [" ".join(draw.choices("abc", k=draw.randint(6, 12))) for _ in range(200)]
    texts = [" ".join(draw.choices("abc", k=draw.randint(8, 60))) for _ in range(300)]
    contamination = index(*sentences)

    def grams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

    def is_match(text: str) -> bool:
        return any(text == s or len(grams(s) & grams(text)) * 2 > len(grams(s)) for s in sentences)

    found = [contamination.match([text]) is not None for text in texts]
    assert found == [is_match(text) for text in texts]
    assert 50 < sum(found) < 250


def test_a_sentence_of_two_sets_is_reported_as_the_first_sets() -> None:
    contamination = index("Good morning.", name="a")
    contamination.add_set("b", ["Good morning!", "Good night."])
    assert contamination.match(["good morning"]) == Match("a", "Good morning.", 0, "equal")
    assert [fact["n_sentences"] for fact in contamination.facts()] == [1, 2]


def test_the_facts_hash_the_distinct_sentences_whatever_their_order() -> None:
    sha256 = hashlib.sha256("Ä.\n".encode() + b"").hexdigest()
    assert index("Ä.").facts() == [{"name": "test.txt", "n_sentences": 1, "sha256": sha256}]
    assert index("b", "a", "b ").facts() == index("a", "b").facts() != index("a", "c").facts()


def test_sets_are_loaded_in_order_and_each_once(tmp_path: Path) -> None:
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text("Good morning.\n", encoding="utf-8")
    b.write_text("Good night.\n", encoding="utf-8")
    contamination = Contamination.load([str(b), str(a), str(b)], ["en", "de"])
    assert [fact["name"] for fact in contamination.facts()] == [str(b), str(a)]
    assert contamination.facts()[1]["sha256"] == hashlib.sha256(a.read_bytes()).hexdigest()
    assert contamination.match(["Good night"]) == Match(str(b), "Good night.", 0, "equal")


def test_no_sets_match_nothing() -> None:
    contamination = Contamination.load([], ["eng_Latn"])
    assert contamination.match(["Good morning."]) is None
    assert contamination.facts() == []


def test_a_set_without_sentences_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(InputError, match=r"the evaluation set .*empty\.txt has no sentences"):
        Contamination.load([str(tmp_path / "empty.txt")], ["eng_Latn"])


def test_an_index_works_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    (tmp_path / "index.pickle").write_bytes(pickle.dumps(index(ELEVEN, "Good morning.")))
    script = (
        "import pickle, sys; from pathlib import Path; index = pickle.loads(Path(sys.argv[1]).read_bytes());"
        f"print(index.match(['x {ELEVEN}']).how, index.match(['good morning']).how)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "index.pickle")]
    other = subprocess.run(
        command, env={"PYTHONHASHSEED": "9"}, capture_output=True, check=True, text=True
    )
    assert other.stdout == "8-grams equal\n"
