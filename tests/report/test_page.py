"""The page: its content and escaping; in Chromium, mouse, keyboard, phone, dark mode, no network."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from hexapla.errors import InputError
from hexapla.evaluation.scores import read_scores
from hexapla.report.config import CompareConfig, ReportConfig
from hexapla.report.maps import changed_neighbours, read_examples
from hexapla.report.page import report
from tests.fixtures.extras import needs
from tests.fixtures.reports import EVIL, LANGUAGES, write_folder, write_runs
from tests.fixtures.toy import toy_encoder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, needs("altair", "report")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_runs(tmp_path_factory.mktemp("runs"))


def config(runs: list[Path], out: Path, **more: object) -> ReportConfig:
    return ReportConfig(compare=CompareConfig(scores=tuple(runs), out=out, resamples=100), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report"
    report(config(runs, out, title="A & B <b>"))
    return out


def test_the_page_has_the_paper_s_numbers_and_every_chart(made: Path) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    assert "A &amp; B &lt;b&gt;" in text
    assert "arXiv 2602.21543" in text and "+21.3 %" in text and "+28.4 %" in text
    assert ">Paper<" not in text  # the baseline is not en-x, so the gains of the table are others
    assert re.search(
        r"<li>bitext mining, bitext/toy, seen: \+\d+\.\d % \(\d+\.\d to \d+\.\d; the paper \+21\.3 %\)",
        text,
    )
    names = ("gains", "language-to-language", "map", "training")
    files = {f"{name}.{ending}" for name in names for ending in ("png", "svg")}
    assert {path.name for path in (made / "charts").iterdir()} == files
    for name in names:
        assert f'data-chart="{name}"' in text
        assert (made / "charts" / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")
        assert (made / "charts" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_starts_with_the_verdict_and_examples(made: Path) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    order = ("multiway is better than base on ", "Few items.", "For example", "What was gained")
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    examples = text[text.index('<section id="examples"') : text.index('<section id="headline"')]
    assert 1 <= examples.count("Nearest before") - 1 <= 3


def test_the_steps_of_a_short_training_are_whole_and_labelled_once() -> None:
    from hexapla.report.charts import chart_image
    from hexapla.report.training_chart import training_chart

    losses = [{"step": step, "loss": 1.0 - step / 10} for step in (1, 2, 3)]
    figure = training_chart({"multiway": {"losses": losses}})
    assert figure is not None
    drawn = chart_image(figure.chart, "svg").decode()
    texts = re.findall(r">([^<>]+)</text>", drawn)
    ticks = texts[texts.index("loss") + 1 : texts.index("optimiser step")]
    assert ticks == ["1", "2", "3"]


def test_nothing_in_the_page_is_loaded_from_elsewhere(made: Path) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    assert not re.search(
        r"<(script|img|iframe)[^>]+src=(?!\"data:)|<link[^>]+href=\"(?!data:)|@import|url\(",
        text.split("<script>")[0],
    )


def test_html_in_sentences_and_labels_is_escaped(made: Path) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    assert EVIL not in text and "<img src=x" not in text
    data = text.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    (points,) = json.loads(data)["specs"]["map"]["datasets"].values()
    sentences = {point["text"] for point in points}
    assert EVIL[:120] in sentences


def test_every_number_has_its_signatures(made: Path, runs: list[Path]) -> None:
    text = (made / "report.html").read_text(encoding="utf-8")
    table = json.loads(text.split('id="data">')[1].split("</script>")[0])["table"]
    rows = [
        row
        for row in table["rows"]
        if not row["whole"] and row["task"] == "bitext/toy" and row["what"] == "German"
    ]
    signatures = {start + table["ends"][end] for row in rows for start, end in row["signatures"]}
    expected = {
        score.signature
        for run in runs
        for score in read_scores(run)
        if score.task == "bitext/toy"
        and set(score.languages.split("-")) == {"deu_Latn", "eng_Latn"}
    }
    assert signatures == expected


def test_markdown_and_model_index_say_the_same(made: Path, runs: list[Path]) -> None:
    summary = (made / "summary.md").read_text(encoding="utf-8")
    assert re.search(
        r"\| bitext/toy, accuracy \| seen \| multiway \| \d+\.\d \| \d+\.\d \| \+\d", summary
    )
    assert "+21.3 %" in summary
    index = yaml.safe_load((made / "model-index" / "multiway.yaml").read_text(encoding="utf-8"))[
        "model-index"
    ]
    results = {
        (one["dataset"]["type"], one["dataset"]["config"], metric["type"]): metric["value"]
        for one in index[0]["results"]
        for metric in one["metrics"]
    }
    for score in read_scores(runs[2]):
        assert results[score.task, score.languages, score.metric] == pytest.approx(
            100 * score.value, abs=1e-3
        )


def test_every_seed_of_a_run_has_a_model_index_and_signatures_of_its_own(tmp_path: Path) -> None:
    runs = [write_folder(tmp_path / f"m{seed}", "multiway", 0.8, seed=seed) for seed in range(2)]
    base = write_folder(tmp_path / "base", None, 0.2)
    text = report(config([base, *runs], tmp_path / "out", images=False)).read_text(encoding="utf-8")
    names = sorted(path.name for path in (tmp_path / "out" / "model-index").iterdir())
    assert names == [
        "base.yaml",
        "multiway--2-seeds--seed-0.yaml",
        "multiway--2-seeds--seed-1.yaml",
    ]
    table = json.loads(text.split('id="data">')[1].split("</script>")[0])["table"]
    row = next(
        row for row in table["rows"] if row["task"] == "bitext/toy" and row["what"] == "German"
    )
    assert len(row["signatures"]) == 3 * 2  # three encoders, both directions


def test_a_card_gets_the_scores_of_its_own_weights_and_keeps_the_rest(
    runs: list[Path], tmp_path: Path
) -> None:
    from hexapla.encoder.locate import describe

    encoder = toy_encoder(tmp_path / "toy")
    card = encoder / "README.md"
    card.write_text("---\nlicense: mit\nlanguage: [de]\n---\n# A card\n\nText.\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"none of the scores is of .*toy with its present weights"
    ):
        report(config(runs, tmp_path / "none", card=encoder, images=False))
    assert not (tmp_path / "none").exists()
    own = tmp_path / "own"
    shutil.copytree(runs[2], own)
    for name in ("scores.jsonl", "run.json"):
        content = (
            (own / name)
            .read_text(encoding="utf-8")
            .replace("multiway-sha", describe(encoder).sha256)
        )
        (own / name).write_text(content, encoding="utf-8")
    report(config([runs[0], own], tmp_path / "out", card=encoder, images=False))
    _, front, text = card.read_text(encoding="utf-8").split("---\n", 2)
    fields = yaml.safe_load(front)
    assert (fields["license"], fields["language"]) == ("mit", ["de"])
    assert len(fields["model-index"][0]["results"]) > 10
    assert text.strip() == "# A card\n\nText."


def test_scores_without_examples_or_pairs_leave_a_sentence_in_their_place(tmp_path: Path) -> None:
    runs = write_runs(tmp_path, languages=("eng_Latn", "deu_Latn"))
    for run in runs:
        (run / "examples.parquet").unlink()
    text = report(config(runs, tmp_path / "out", images=False)).read_text(encoding="utf-8")
    assert "hold no example sentences; evaluate again" in text
    assert "--pairs all" in text
    assert 'data-chart="map"' not in text and 'data-chart="language-to-language"' not in text


def test_neighbours_that_changed_are_counted_and_shown_both_ways(runs: list[Path]) -> None:
    before, after = read_examples(runs[0], "base"), read_examples(runs[2], "multiway")
    assert before is not None and after is not None
    gained, lost, n_gained, n_lost = changed_neighbours(before, after, n_shown=4)
    items = np.array(before.items)
    right = [items[one.nearest] == items for one in (before, after)]
    assert (n_gained, n_lost) == ((right[1] & ~right[0]).sum(), (right[0] & ~right[1]).sum())
    assert len(gained) == 4 and len(lost) <= 4
    for one in gained:
        assert items[one.after] == items[one.query] != items[one.before]
        assert one.cosine_after == pytest.approx(
            float(after.vectors[one.query] @ after.vectors[one.after])
        )


def test_damaged_examples_are_refused_with_their_path(runs: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs[0], copy)
    (copy / "examples.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"examples\.parquet cannot be read: .*; evaluate again"):
        report(config([copy, *runs[1:]], tmp_path / "out", images=False))
    assert not (tmp_path / "out").exists()


# In Chromium


@pytest.fixture
def page(chromium: Browser, made: Path) -> Iterator[Page]:
    """Open the page from disk without a network; it must log no message and request no other file."""
    context = chromium.new_context(
        offline=True, viewport={"width": 1280, "height": 900}, color_scheme="light"
    )
    opened = context.new_page()
    events: list[str] = []
    opened.on("console", lambda message: events.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: events.append(f"error: {error}"))
    opened.on("request", lambda request: events.append(f"request: {request.url}"))
    opened.goto(f"file://{made}/report.html")
    opened.wait_for_selector("html[data-ready]")
    yield opened
    context.close()
    elsewhere = [one for one in events if not re.match(r"request: (file|data|blob):", one)]
    assert elsewhere == []
    assert len([one for one in events if one.startswith("request: file:")]) == 1


def see_all(page: Page) -> None:
    for chart in page.locator("[data-chart]").all():
        chart.scroll_into_view_if_needed()
        chart.locator("canvas").first.wait_for()
    page.evaluate("scrollTo(0, 0)")


def column(page: Page, table: str, number: int) -> list[float]:
    cells = page.locator(f"{table} tbody tr").evaluate_all(
        f"rows => rows.map(row => row.cells[{number}].dataset.sort ?? row.cells[{number}].textContent)"
    )
    return [float(cell) for cell in cells if cell]


@pytest.mark.browser
def test_charts_are_drawn(page: Page) -> None:
    see_all(page)
    assert page.locator("[data-chart] canvas").count() == 4
    assert page.title() == "A & B <b>"  # a script in a sentence would change it


@pytest.mark.browser
def test_tables_sort_by_number_with_the_mouse_and_the_keyboard(page: Page) -> None:
    gains = "#headline table"
    heading = page.locator(f"{gains} thead th", has_text="Gain")
    before = column(page, gains, 5)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, gains, 5) == sorted(before, reverse=True) != before
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, gains, 5) == sorted(before)


@pytest.mark.browser
def test_all_numbers_can_be_chosen_filtered_and_sorted(page: Page) -> None:
    page.select_option("#lines", "languages")
    assert page.locator("#all tbody tr").count() == len(LANGUAGES) - 1
    page.fill("#filter", "swahili")
    assert "Swahili" in page.locator("#all tbody tr").first.inner_text()
    assert page.locator("#count").inner_text() == f"{page.locator('#all tbody tr').count()} lines"
    page.select_option("#task", label="xsim/toy (test), xsim, lower is better")
    better = page.locator("#all tbody tr").first.locator("td.up")
    assert better.count() > 0 and better.first.inner_text().startswith("-")


NEXT_FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.mark.browser
def test_a_tooltip_shows_the_gain(page: Page) -> None:
    chart = page.locator('[data-chart="gains"]')
    chart.scroll_into_view_if_needed()
    box = chart.locator("canvas").bounding_box()
    assert box is not None
    for step in range(12):
        page.mouse.move(box["x"] + 180 + 10 * step, box["y"] + 15)
        page.evaluate(NEXT_FRAME)
        if page.locator("#vg-tooltip-element.visible").count():
            break
    assert "gain, points" in page.locator("#vg-tooltip-element").inner_text()


@pytest.mark.browser
def test_signatures_are_copied(page: Page) -> None:
    page.select_option("#lines", "languages")
    page.locator("#all tbody tr button").first.click()
    page.wait_for_function(
        "document.getElementById('copied').textContent.startsWith('Copied: task:bitext/toy')"
    )


CONTRASTS = """() => {
  const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const luminance = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; } return "rgb(255, 255, 255)"; };
  return ["body", "p.note", "td", "th small", "td.up", "td.flat", "a", "button", "caption", "figcaption", "select"].map((s) => {
    const e = document.querySelector(s), one = luminance(getComputedStyle(e).color), other = luminance(behind(e));
    return [s, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
  });
}"""


@pytest.mark.browser
def test_text_is_legible_in_light_and_dark_mode(page: Page) -> None:
    for mode in ("light", "dark"):
        assert page.locator("html").get_attribute("data-theme") == mode
        see_all(page)
        for selector, ratio in page.evaluate(CONTRASTS):
            assert ratio >= 4.5, (mode, selector, ratio)
        page.click("#theme")
    assert page.locator("html").get_attribute("data-theme") == "light"


@pytest.mark.browser
def test_dark_mode_follows_the_system(chromium: Browser, made: Path) -> None:
    context = chromium.new_context(offline=True, color_scheme="dark")
    opened = context.new_page()
    opened.goto(f"file://{made}/report.html")
    opened.wait_for_selector("html[data-theme='dark']")
    context.close()


@pytest.mark.browser
def test_a_phone_scrolls_tables_and_not_the_page(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    see_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    gains = "cells => cells.map(cell => cell.getBoundingClientRect().right)"
    assert max(page.locator("#headline tbody td.n").evaluate_all(gains)) <= 360
    runs = page.locator('[aria-label="Runs"]')
    assert runs.evaluate("box => box.scrollWidth <= box.clientWidth")


@pytest.mark.browser
def test_a_chart_is_as_wide_as_a_phone(chromium: Browser, made: Path) -> None:
    context = chromium.new_context(offline=True, viewport={"width": 390, "height": 844})
    opened = context.new_page()
    opened.goto(f"file://{made}/report.html")
    for name in ("gains", "map", "training"):
        chart = opened.locator(f'[data-chart="{name}"]')
        chart.scroll_into_view_if_needed()
        chart.locator("canvas").wait_for()
        box = chart.locator("canvas").bounding_box()
        assert box is not None and box["x"] + box["width"] <= 390, name
    context.close()


@pytest.mark.browser
def test_charts_stand_on_paper_though_none_was_in_view(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    sizes = (
        "all => all.map(one => [one.naturalWidth > 100, one.getBoundingClientRect().width > 100])"
    )
    assert page.locator("img.paper").evaluate_all(sizes) == [[True, True]] * 4
    assert page.locator("[data-chart]").first.is_visible() is False
    white = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert white == "rgb(255, 255, 255)"


@pytest.mark.browser
def test_headings_captions_and_labels_serve_a_screen_reader(page: Page) -> None:
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(e => Number(e.tagName[1]))")
    assert levels[0] == 1 and all(
        after - before <= 1 for before, after in itertools.pairwise(levels)
    )
    assert page.locator("table").count() == page.locator("table caption").count()
    for chart in page.locator("[data-chart]").all():
        assert len(chart.get_attribute("aria-label") or "") > 40
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
