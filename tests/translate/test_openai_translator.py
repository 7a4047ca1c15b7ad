"""An endpoint that misbehaves costs no answer and hides no fault.

Every sentence gets its own translation or a problem: an answer that is not exactly as requested is
never guessed at. What will be sent is checked, and its cost estimated, before the first request.
"""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.openai import OpenAITranslator, RequestEstimate
from hexapla.translate.prompts import answer_tokens, read_answer
from tests.fixtures.bad_endpoint import (
    NUMBERS,
    BadEndpoint,
    Reply,
    Request,
    completion,
    german,
    good,
    prose,
    refuses,
    says,
    texts_of,
    translator,
)

pytestmark = pytest.mark.usefixtures("quick_and_keyless")


# What is asked and answered


def test_each_text_gets_its_own_translation_in_its_own_language(
    server: BadEndpoint, tmp_path: Path
) -> None:
    targets = ["deu_Latn", "zho_Hans", "deu_Latn", "deu_Latn", "zho_Hans"]
    found = translator(server, tmp_path, sentences_per_request=2).translate(NUMBERS, targets)
    assert texts_of(found) == [
        "deu_Latn: ONE",
        "zho_Hans: TWO",
        "deu_Latn: THREE",
        "deu_Latn: FOUR",
        "zho_Hans: FIVE",
    ]
    assert [list(request.sentences.values()) for request in server.requests] == [
        ["one", "three"],
        ["four"],
        ["two", "five"],
    ]
    n_tokens = [translation.n_tokens for translation in found]
    assert n_tokens == [6, 6, 5, 11, 5]  # 11 tokens an answer


def test_a_request_names_the_languages_and_demands_every_key(
    server: BadEndpoint, tmp_path: Path
) -> None:
    translator(server, tmp_path).translate(["one", "two"], ["zho_Hant"] * 2)
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert "Authorization" not in request.headers
    assert "English (eng_Latn)" in request.body["messages"][0]["content"]
    assert "Chinese (Traditional) (zho_Hant)" in request.body["messages"][0]["content"]
    assert request.body["model"] == "toy"
    assert request.body["temperature"] == 0
    assert request.body["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"1": {"type": "string"}, "2": {"type": "string"}},
        "required": ["1", "2"],
        "additionalProperties": False,
    }


def test_empty_and_over_long_texts_never_reach_the_endpoint(
    server: BadEndpoint, tmp_path: Path
) -> None:
    found = translator(server, tmp_path, max_input_tokens=10).translate(
        ["", " \n", "a" * 50], ["deu_Latn"] * 3
    )
    assert [(translation.text, translation.problem) for translation in found] == [
        (None, "empty"),
        (None, "empty"),
        (None, "source too long"),
    ]
    assert server.requests == []


def test_a_text_given_twice_is_paid_once(server: BadEndpoint, tmp_path: Path) -> None:
    found = translator(server, tmp_path).translate(["one", "two", "one"], ["deu_Latn"] * 3)
    assert texts_of(found) == german(["one", "two", "one"])
    assert [len(request.sentences) for request in server.requests] == [2]


def test_long_texts_make_small_requests(server: BadEndpoint, tmp_path: Path) -> None:
    texts = [letter * 400 for letter in "abcde"]  # 100 tokens each by the rule of four bytes
    translator(server, tmp_path, batch_tokens=250).translate(texts, ["deu_Latn"] * 5)
    assert [len(request.sentences) for request in server.requests] == [2, 2, 1]


def test_several_requests_are_under_way_at_once_and_no_more_than_allowed(
    server: BadEndpoint, tmp_path: Path
) -> None:
    def slow(request: Request) -> Reply:
        return dataclasses.replace(good(request), takes_s=0.1)

    server.always = slow
    texts = [f"text {number}" for number in range(12)]
    found = translator(server, tmp_path, sentences_per_request=1, concurrency=3).translate(
        texts, ["deu_Latn"] * 12
    )
    assert texts_of(found) == german(texts)
    assert server.max_open == 3


def test_a_retry_asks_in_other_words_in_smaller_requests_and_past_the_cache(
    server: BadEndpoint, tmp_path: Path
) -> None:
    ours = translator(server, tmp_path, sentences_per_request=8)
    ours.translate(NUMBERS, ["deu_Latn"] * 5)
    ours.translate(NUMBERS, ["deu_Latn"] * 5, retry=True)
    first, *again = server.requests
    assert [len(request.sentences) for request in again] == [2, 2, 1]
    assert {request.body["temperature"] for request in again} == {0.5}
    assert again[0].body["messages"][0]["content"].startswith(first.body["messages"][0]["content"])
    ours.translate(NUMBERS, ["deu_Latn"] * 5, retry=True)
    assert len(server.requests) == 4


# Answers that are none


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(prose, id="prose"),
        pytest.param(says(lambda answers: dict(list(answers.items())[:-1])), id="too few"),
        pytest.param(says(lambda answers: answers | {"99": "noch eins"}), id="too many"),
        pytest.param(says(lambda answers: list(answers.values())), id="a list"),
        pytest.param(says(lambda answers: None), id="null"),
        pytest.param(
            says(lambda answers: {key: [text] for key, text in answers.items()}),
            id="lists for texts",
        ),
        pytest.param(
            lambda request: completion(
                '{"1": "eins", "1": "zwei", "2": "", "3": "", "4": "", "5": ""}'
            ),
            id="a key twice",
        ),
        pytest.param(lambda request: completion('{"1":' * 100_000 + "}"), id="deep nesting"),
        pytest.param(lambda request: completion(None), id="no content"),
        pytest.param(lambda request: completion(None, refusal="I cannot"), id="a refusal"),
        pytest.param(lambda request: completion('{"1": "ei', finish_reason="length"), id="cut off"),
        pytest.param(
            refuses(
                400, "This model's maximum context length is 10 tokens, max_tokens is too large"
            ),
            id="over the context",
        ),
    ],
)
def test_a_bad_answer_is_asked_for_again_in_halves(
    server: BadEndpoint, tmp_path: Path, spoilt: Any
) -> None:
    server.script = [spoilt]
    found = translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    assert texts_of(found) == german(NUMBERS)
    assert [list(request.sentences.values()) for request in server.requests] == [
        NUMBERS,
        NUMBERS[:2],
        NUMBERS[2:],
    ]


@pytest.mark.parametrize("bad", [7, "", "  ", None, "half \ud83d", "nul \0"])
def test_one_bad_translation_is_asked_for_alone_and_its_neighbours_are_kept(
    server: BadEndpoint, tmp_path: Path, bad: object
) -> None:
    server.script = [says(lambda answers: answers | {"2": bad})]
    found = translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    assert texts_of(found) == german(NUMBERS)
    assert [list(request.sentences.values()) for request in server.requests] == [NUMBERS, ["two"]]


@pytest.mark.parametrize(
    ("spoilt", "problem"),
    [
        (prose, "unreadable answer"),
        (lambda request: completion('{"1": "ei', finish_reason="length"), "unfinished"),
        (lambda request: completion(None, refusal="I cannot"), "refused"),
        (lambda request: completion("", finish_reason="content_filter"), "refused"),
        (refuses(400, "Azure content management policy"), "refused"),
        (refuses(413, "Payload Too Large"), "source too long"),
    ],
)
def test_a_sentence_that_never_gets_an_answer_has_its_problem_and_the_others_their_translations(
    server: BadEndpoint, tmp_path: Path, spoilt: Any, problem: str
) -> None:
    server.always = lambda request: (spoilt if "three" in request.sentences.values() else good)(
        request
    )
    found = translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    assert texts_of(found) == [*german(["one", "two"]), None, *german(["four", "five"])]
    assert [translation.problem for translation in found] == [None, None, problem, None, None]
    assert len(server.requests) == 5  # all five, 2 + 3, then 1 + 2


def test_an_endpoint_that_writes_only_prose_is_given_up_after_fifty_answers(
    server: BadEndpoint, tmp_path: Path
) -> None:
    server.always = prose
    texts = [f"text {number}" for number in range(200)]
    with pytest.raises(
        InputError, match='50 answers and none is the JSON asked for, the last one "Of course! Here'
    ):
        translator(server, tmp_path).translate(texts, ["deu_Latn"] * 200)
    assert len(server.requests) == 50


def test_an_endpoint_that_has_answered_once_is_not_given_up(
    server: BadEndpoint, tmp_path: Path
) -> None:
    server.script, server.always = [good], prose
    texts = [f"text {number}" for number in range(60)]
    found = translator(server, tmp_path, sentences_per_request=1).translate(
        texts, ["deu_Latn"] * 60
    )
    assert texts_of(found) == [*german(texts[:1]), *[None] * 59]


def test_json_is_found_after_thoughts_and_between_fences() -> None:
    assert read_answer(
        '<think>{"1": "no"}</think>\n```json\n{"1": " eins\\n", "2": "zwei"}\n```', 2
    ) == [
        "eins",
        "zwei",
    ]


# Before anything is sent


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "localhost:8000"}, 'base URL "localhost:8000" is no http address'),
        (
            {"base_url": "http://localhost:port/v1"},
            'base URL "http://localhost:port/v1" is no http address',
        ),
        ({"base_url": "http://[::1/v1"}, "is no http address"),
        ({"base_url": "http:///v1"}, 'base URL "http:///v1" is no http address'),
        ({"base_url": ""}, 'base URL "" is no http address'),
        ({"concurrency": 0}, "concurrency is 0; it must be a whole number from 1 to 1,000"),
        (
            {"sentences_per_request": -1},
            "sentences_per_request is -1; it must be a whole number from 1 to 1,000",
        ),
        ({"timeout_s": float("inf")}, "timeout_s is inf; it must be a number above 0"),
        ({"price_in": -0.1}, "price_in is -0.1; it must be a number from 0 to"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    given = {"translator": "toy", "base_url": "http://localhost:1/v1"} | settings
    with pytest.raises(InputError, match=message):
        OpenAITranslator(TranslatorConfig(**given))


def test_what_is_no_language_is_refused_before_anything_is_sent(
    server: BadEndpoint, tmp_path: Path
) -> None:
    ours = translator(server, tmp_path)
    with pytest.raises(InputError, match='"deu" is not a language code; write it like deu_Latn'):
        ours.translate(["one"], ["deu"])
    with pytest.raises(InputError, match="target eng_Latn is the language of the texts"):
        ours.check(["deu_Latn", "eng_Latn"])
    assert server.requests == []


def test_an_estimate_counts_what_is_not_in_the_cache_and_sends_nothing(
    server: BadEndpoint, tmp_path: Path
) -> None:
    ours = translator(server, tmp_path, sentences_per_request=2, price_in=2.0, price_out=10.0)
    targets = ["deu_Latn"] * 5 + ["hin_Deva"] * 5
    before = ours.estimate(NUMBERS * 2, targets)
    assert before.n_requests == 6
    assert server.requests == []
    assert not (tmp_path / "answers.sqlite").exists()
    ours.translate(NUMBERS[:4], targets[:4])
    after = ours.estimate(NUMBERS * 2, targets)
    assert after.n_requests == 4
    assert after.cost == pytest.approx((after.input_tokens * 2 + after.output_tokens * 10) / 1e6)
    assert 0 < after.input_tokens < before.input_tokens
    ours.translate(NUMBERS * 2, targets)
    assert ours.estimate(NUMBERS * 2, targets) == RequestEstimate(0, 0, 0, 0.0)


def test_an_estimate_without_prices_has_no_cost(server: BadEndpoint, tmp_path: Path) -> None:
    assert translator(server, tmp_path, price_in=1.0).estimate(["one"], ["deu_Latn"]).cost is None


def test_answer_tokens_follow_the_script() -> None:
    assert answer_tokens(["a" * 30], "deu_Latn") == 17  # 30 * 1.2 / 3 + 5
    assert answer_tokens(["a" * 30], "hin_Deva") == 32  # 30 * 2.7 / 3 + 5


def test_facts_distinguish_settings_and_endpoints_but_hold_no_address(
    server: BadEndpoint, tmp_path: Path
) -> None:
    at = [
        translator(server, tmp_path, base_url=url).facts()
        for url in (
            "http://gpu-7:8000/v1",
            "http://GPU-7:8000/v1/",
            "http://gpu-7:8001/v1",
            "https://gpu-7:8000/v1",
        )
    ]
    assert at[0] == at[1]
    assert len({facts["endpoint"] for facts in at}) == 3
    # printf http://gpu-7:8000/v1/chat/completions | sha256sum
    assert at[0]["endpoint"] == "4d487d16115b"
    assert "gpu-7" not in str(at)
    assert at[0]["name"] == "toy"
    ours = translator(server, tmp_path)
    assert ours.facts() == translator(server, tmp_path / "b", timeout_s=7).facts()
    assert ours.facts() != translator(server, tmp_path, sentences_per_request=3).facts()


# Its life


def test_a_translator_works_after_close_and_in_another_process(
    server: BadEndpoint, tmp_path: Path
) -> None:
    ours = translator(server, tmp_path)
    ours.translate(["one"], ["deu_Latn"])
    copy = pickle.loads(pickle.dumps(ours))
    ours.close()
    ours.close()
    assert texts_of(ours.translate(["two"], ["deu_Latn"])) == german(["two"])
    assert texts_of(copy.translate(["three"], ["deu_Latn"])) == german(["three"])
