"""The explorer: nearest sentences by hand, what is refused, and the page in an offline Chromium."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hexapla.corpus.reader import open_corpus
from hexapla.corpus.writer import write_corpus
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.explore import text_vectors
from hexapla.explore.config import ExploreConfig
from hexapla.explore.explore_page import results_table
from hexapla.explore.explorer import Explorer
from hexapla.explore.stage import launch, load_encoders, open_explorer
from tests.fixtures.extras import needs
from tests.fixtures.toy import LANGUAGES, N_WORDS, toy_encoder, toy_rows, word

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, needs("gradio", "explore")]

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = toy_rows(20)
    rows[3]["fra_Latn"] = EVIL
    rows[4]["deu_Latn"] = "  "
    folder = tmp_path_factory.mktemp("corpus") / "toy"
    write_corpus(rows, folder, languages=LANGUAGES)
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(toy_encoder(tmp_path_factory.mktemp("before") / "toy"))


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An encoder in which the words of all languages have the vectors of the English ones."""
    import torch

    folder = toy_encoder(tmp_path_factory.mktemp("after") / "toy")
    model = load_encoder(folder)
    table = model[0].auto_model.get_input_embeddings().weight
    with torch.no_grad():
        for language in LANGUAGES[1:]:
            for number in range(N_WORDS):
                one, other = (
                    model.tokenizer.convert_tokens_to_ids(word(code, number))
                    for code in (LANGUAGES[0], language)
                )
                table[other] = table[one]
    model.save(str(folder))
    return str(folder)


@pytest.fixture(scope="module")
def explorer(corpus: Path, before: str, after: str) -> Explorer:
    return open_explorer(ExploreConfig(encoder=after, corpus=str(corpus), before=before, port=0))


def test_a_query_finds_its_translations_after_and_not_before(
    explorer: Explorer, corpus: Path
) -> None:
    row = list(open_corpus(corpus).rows())[7]
    found = explorer.nearest("after", str(row["deu_Latn"]), k=3)
    assert {(one.text, one.language) for one in found} == {
        (row[code], code) for code in ("eng_Latn", "fra_Latn", "spa_Latn")
    }
    assert all(
        one.translation and one.row == 7 and one.cosine == pytest.approx(1, abs=1e-5)
        for one in found
    )
    assert not all(one.translation for one in explorer.nearest("before", str(row["deu_Latn"]), k=3))


def test_neighbours_are_those_of_the_product(explorer: Explorer) -> None:
    query = "eng01 eng02 eng03"
    found = explorer.nearest("before", query, k=5)
    vectors, texts = explorer._encoders["before"].all(), [text for *_, text in explorer._cells]
    model = explorer._encoders["before"].prepare()
    cosine = vectors[explorer._places] @ model.encode([query], normalize_embeddings=True)[0]
    assert [one.text for one in found] == [texts[place] for place in np.argsort(-cosine)[:5]]
    assert [one.cosine for one in found] == pytest.approx(sorted(cosine, reverse=True)[:5])


def test_languages_and_the_query_s_own_can_be_left_out(explorer: Explorer, corpus: Path) -> None:
    query = str(list(open_corpus(corpus).rows())[7]["deu_Latn"])
    assert {
        one.language for one in explorer.nearest("after", query, k=9, languages=["spa_Latn"])
    } == {"spa_Latn"}
    assert "deu_Latn" not in {
        one.language for one in explorer.nearest("after", query, k=50, own_language=False)
    }
    assert query not in {one.text for one in explorer.nearest("after", query, k=50)}


def test_blank_cells_are_left_out_and_a_cut_is_reported(corpus: Path) -> None:
    cut = Explorer(open_corpus(corpus), rows=6, languages=LANGUAGES)
    assert (cut.n_rows, cut.is_cut) == (6, True)
    assert len(cut._cells) == 6 * 4 - 1
    assert {row for row, *_ in cut._cells} == set(range(6))


def test_an_empty_query_and_a_vector_that_is_not_finite_are_refused(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="the query is empty; type a sentence"):
        explorer.nearest("after", "  ")
    monkeypatch.setattr(
        "hexapla.explore.text_vectors.encode", lambda *_, **__: np.full((1, 32), np.nan)
    )
    with pytest.raises(InputError, match="no finite vector for 'eng01'"):
        explorer.nearest("after", "eng01")


def test_sentences_are_escaped(explorer: Explorer) -> None:
    table = results_table(explorer.nearest("after", "fra01", k=50, languages=["fra_Latn"]), "After")
    assert EVIL not in table and "&lt;img src=x" in table


def test_the_map_has_every_cell_and_the_query(explorer: Explorer) -> None:
    points, languages = explorer.points("after", "eng01", n_rows=5)
    assert points.shape == (len(languages) + 1, 2) == (20, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "rows is 0; it must be a whole number from 1 to"),
        ({"port": 70000}, "port is 70000; it must be a whole number from 0 to 65,535"),
        ({"languages": ("Klingon",)}, 'language "Klingon" is unknown'),
    ],
)
def test_a_setting_out_of_range_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ExploreConfig(encoder="tiny", corpus="sample", **change)  # type: ignore[arg-type]


def test_mistakes_are_refused_before_an_encoder_loads(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hexapla.explore.stage.load_encoder", lambda *_, **__: pytest.fail("loaded")
    )
    with pytest.raises(InputError, match="has no swh_Latn; it has eng_Latn, deu_Latn"):
        open_explorer(ExploreConfig(encoder="tiny", corpus=str(corpus), languages=("sw",), port=0))
    with pytest.raises(InputError, match="no such encoder folder"):
        open_explorer(ExploreConfig(encoder="./none", corpus=str(corpus), port=0))
    with pytest.raises(InputError, match="no such encoder folder"):
        open_explorer(ExploreConfig(encoder="tiny", before="./none", corpus=str(corpus), port=0))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            InputError,
            match=rf"port {port} of 127.0.0.1 cannot be used \(.*\); give another --port",
        ):
            open_explorer(ExploreConfig(encoder="tiny", corpus=str(corpus), port=port))


def test_an_encoder_whose_base_cannot_be_loaded_is_shown_alone(
    corpus: Path, after: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = ExploreConfig(encoder=after, corpus=str(corpus), port=0)
    (Path(after) / "run.json").write_text('{"config": {"encoder": "./gone"}}', encoding="utf-8")
    with caplog.at_level("INFO", logger="hexapla"):
        alone = open_explorer(config)
    (Path(after) / "run.json").unlink()
    assert alone.encoders == ("after",)
    assert "was aligned from ./gone, which cannot be loaded here; it is shown alone" in caplog.text


def test_a_base_that_fails_to_load_is_dropped_and_another_encoder_ends_the_command(
    corpus: Path, before: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged: list[str] = []

    def load(name: str, **_: Any) -> Any:
        if name in damaged:
            raise InputError(f"{name}: damaged")
        return object()

    monkeypatch.setattr("hexapla.explore.stage.load_encoder", load)
    monkeypatch.setattr(text_vectors, "encode", lambda _, texts, **__: np.ones((len(texts), 2)))
    monkeypatch.setattr("hexapla.explore.stage._base_of", lambda _: before)
    config = ExploreConfig(encoder=after, corpus=str(corpus), port=0, vectors=tmp_path)
    explorer = open_explorer(config)
    damaged[:] = [before]
    load_encoders(explorer, config, quiet=True)
    assert explorer.encoders == ("after",)
    damaged[:] = [after]
    with pytest.raises(InputError, match="damaged"):
        load_encoders(open_explorer(config), config, quiet=True)


def test_a_further_start_encodes_only_what_is_new(
    corpus: Path, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    real = text_vectors.encode
    monkeypatch.setattr(
        text_vectors,
        "encode",
        lambda model, texts, **more: (encoded.extend(texts), real(model, texts, **more))[1],
    )

    def start(rows: int, **changes: str) -> Explorer:
        encoded.clear()
        config = ExploreConfig(
            encoder=before,
            corpus=str(corpus),
            rows=rows,
            port=0,
            vectors=tmp_path / "vectors",
            **changes,  # type: ignore[arg-type]
        )
        explorer = open_explorer(config)
        load_encoders(explorer, config, quiet=True)
        return explorer

    first = start(10)
    assert sorted(encoded) == sorted(first.texts)
    again = start(10)
    assert encoded == []
    larger = start(20)
    assert sorted(encoded) == sorted(set(larger.texts) - set(first.texts))
    query = first.texts[0]
    assert again.nearest("after", query) == first.nearest("after", query)
    everything = Explorer(open_corpus(corpus), rows=20, languages=LANGUAGES)
    everything.add("after", lambda: load_encoder(before))
    assert [one.text for one in larger.nearest("after", query)] == [
        one.text for one in everything.nearest("after", query)
    ]
    start(10, prompt="eng01 ")
    assert sorted(encoded) == sorted(first.texts)


def test_a_further_start_answers_for_the_corpus_before_its_encoder_is_loaded(
    corpus: Path, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ExploreConfig(encoder=before, corpus=str(corpus), port=0, vectors=tmp_path)
    first = open_explorer(config)
    query = first.texts[0]
    assert not first.is_ready(query)
    found = first.nearest("after", query)  # loads the encoder and encodes by itself
    assert first.is_ready("another sentence")
    monkeypatch.setattr(
        "hexapla.explore.stage.load_encoder", lambda *_, **__: pytest.fail("loaded")
    )
    again = open_explorer(config)
    assert again.is_ready(query) and not again.is_ready("another sentence")
    assert again.nearest("after", query) == found


@pytest.mark.browser
def test_on_a_phone_the_tables_stand_below_each_other_and_fit(
    chromium: Browser, explorer: Explorer, corpus: Path, before: str, after: str
) -> None:
    from playwright.sync_api import expect

    config = ExploreConfig(encoder=after, before=before, corpus=str(corpus), port=0)
    served = launch(explorer, config, block=False, announce=lambda _: None)
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    try:
        page.goto(served.url)
        example = explorer.examples()[0]
        page.get_by_text(example, exact=True).click()
        expect(page.get_by_label("Sentence", exact=True)).to_have_value(example)
        page.get_by_role("button", name="Search").click()
        page.wait_for_selector("#after table.hx")
        boxes = [page.locator(f"#{name} table.hx").bounding_box() for name in ("before", "after")]
        (first, second) = (box for box in boxes if box)
        assert first["y"] + first["height"] <= second["y"]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in (first, second))
        cells = "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
        assert page.locator("table.hx td").evaluate_all(cells) <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        context.close()
        served.close()


# Of the map's text, and behind the map.
MAP_COLOURS = """() => {
  const map = document.querySelector(".vega-embed svg");
  return [getComputedStyle(map.querySelector("text")).fill, getComputedStyle(map).backgroundColor];
}"""
LIGHT, BLACK, NONE = "rgb(244, 244, 245)", "rgb(0, 0, 0)", "rgba(0, 0, 0, 0)"


@pytest.mark.browser
def test_the_page_finds_a_translation_in_another_language_and_is_legible_in_dark_and_on_paper(
    chromium: Browser,
    explorer: Explorer,
    corpus: Path,
    before: str,
    after: str,
    tmp_path: Path,
) -> None:
    config = ExploreConfig(encoder=after, before=before, corpus=str(corpus), port=0)
    announced: list[str] = []
    served = launch(explorer, config, block=False, announce=announced.append)
    (url,) = announced
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
    row = list(open_corpus(corpus).rows())[7]
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page = context.new_page()
    heard: list[str] = []
    page.on(
        "console",
        lambda message: (
            heard.append(f"{message.type}: {message.text}") if message.type == "error" else None
        ),
    )
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
    page.on(
        "request",
        lambda request: (
            heard.append(request.url)
            if not request.url.startswith((url, "data:", "blob:"))
            else None
        ),
    )
    try:
        page.goto(url)
        page.get_by_label("Sentence", exact=True).fill(str(row["deu_Latn"]))
        page.get_by_role("button", name="Search").click()
        page.wait_for_selector("#after table.hx")
        first = page.locator("#after tbody tr").first.inner_text()
        assert (
            str(row["eng_Latn"]) in first
            or str(row["fra_Latn"]) in first
            or str(row["spa_Latn"]) in first
        )
        assert page.locator("#after tbody tr.translation").count() == 3
        assert page.locator("#before tbody tr.translation").count() < 3
        shown = page.locator("#after").inner_text()
        page.get_by_label("Sentence", exact=True).fill(EVIL)
        page.get_by_role("button", name="Search").click()
        page.wait_for_function(
            "shown => document.querySelector('#after').innerText !== shown", arg=shown
        )
        page.get_by_role("button", name="Map of sentences").click()
        page.wait_for_selector(".vega-embed svg")
        assert page.evaluate(MAP_COLOURS) == [LIGHT, NONE]
        page.emulate_media(media="print")
        assert page.evaluate(MAP_COLOURS) == [BLACK, NONE]
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        page.screenshot(path=tmp_path / "explore.png", full_page=True)
        assert heard == []
    finally:
        context.close()
        served.close()
