"""A preview shows a few sentences in all languages, as the build would have them, and writes nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hexapla.build import build, estimate_build, preview_build
from hexapla.build.build_preview import BuildPreview
from hexapla.cli.app import main
from hexapla.corpus.reader import open_corpus
from hexapla.errors import InputError
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.openai import OpenAITranslator
from hexapla.translate.translator import Translation
from tests.fixtures.bad_endpoint import BadEndpoint, refuses
from tests.fixtures.builds import N_ROWS, toy_config, tree, write_text
from tests.fixtures.toy import toy_rows
from tests.fixtures.toy_translator import CountingTranslator, ToyTranslator


def rendered(preview: BuildPreview) -> str:
    file = io.StringIO()
    preview.render(Console(file=file, width=120, markup=False, emoji=False))
    return file.getvalue()


def test_a_preview_has_the_cells_of_the_build_and_writes_nothing(tmp_path: Path) -> None:
    write_text(tmp_path)
    config = toy_config(tmp_path)
    preview = preview_build(config, N_ROWS, quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]
    build(config, quiet=True)
    corpus = open_corpus(tmp_path / "corpus")
    assert preview.sentences == corpus.cells("eng_Latn")
    for language in ("deu_Latn", "fra_Latn"):
        kept = [cell.text if cell.is_kept else None for cell in preview.cells[language]]
        assert kept == corpus.cells(language)
    n_second = sum(cell.again is not None for column in preview.cells.values() for cell in column)
    assert n_second == corpus.manifest["counts"]["cells"]["retranslated"] > 0


def test_the_sentences_of_a_preview_lie_at_even_distances(tmp_path: Path) -> None:
    write_text(tmp_path)
    preview = preview_build(toy_config(tmp_path), 3, quiet=True)
    lines = [f"{row['eng_Latn']}." for row in toy_rows(N_ROWS)]
    assert preview.sentences == [lines[10], lines[30], lines[50]]


def test_a_preview_shows_texts_verdicts_ratios_tokens_and_the_whole(tmp_path: Path) -> None:
    write_text(tmp_path)

    class Fixed(ToyTranslator):
        def translate(
            self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
        ) -> list[Translation]:
            cells = []
            for text, target in zip(texts, targets, strict=True):
                bad = target == "fra_Latn"
                done = f"{text[:-1]}\ufffd." if bad else text.replace("eng", "deu") + text[:-1]
                cells.append(Translation(done, n_tokens=7))
            return cells

    config = toy_config(tmp_path, translator=Fixed())
    preview = preview_build(config, 2, quiet=True)
    shown = rendered(preview)
    first = preview.sentences[0]
    assert first in shown
    assert f"{first.replace('eng', 'deu')}{first[:-1]}" in shown.replace("\n", "")
    ratio = (2 * len(first) - 1) / len(first)
    assert f"deu_Latn          {ratio:.2f}       7  kept" in shown
    assert (
        f"fra_Latn          {(len(first) + 1) / len(first):.2f}       7  rejected: marks 1" in shown
    )
    n_characters = sum(len(f"{row['eng_Latn']}.") for row in toy_rows(N_ROWS))
    n_previewed = sum(map(len, preview.sentences))
    assert preview.n_tokens == round(28 * n_characters / n_previewed)
    assert f"the whole build: {N_ROWS} sentences of {n_characters:,} characters" in shown
    assert f"about {preview.n_tokens:,} tokens of translations" in shown
    assert "note: a build with such a loss stops: fra_Latn loses 100.0%" in shown


@pytest.mark.parametrize("multilingual", [True, False])
def test_the_first_sentence_is_translated_apart_and_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multilingual: bool
) -> None:
    clock = [0.0]

    class Timed(CountingTranslator):
        def translate(
            self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
        ) -> list[Translation]:
            clock[0] += 1000.0 if len(set(texts)) == 1 else 1.0
            return super().translate(texts, targets, retry=retry)

    monkeypatch.setattr("hexapla.build.preview.time.monotonic", lambda: clock[0])
    write_text(tmp_path)
    translator = Timed(bad=10**9, multilingual=multilingual)
    preview = preview_build(toy_config(tmp_path, translator=translator), 5, quiet=True)
    calls = [n_texts for n_texts, _ in translator.calls]
    assert calls == ([2, 8] if multilingual else [1, 4, 1, 4])
    n_timed = sum(map(len, preview.sentences[1:]))
    seconds = 1.0 if multilingual else 2.0
    assert preview.seconds == pytest.approx(seconds * preview.estimate.n_characters / n_timed)
    alone = preview_build(toy_config(tmp_path, translator=translator), 1, quiet=True)
    assert alone.seconds is None
    assert "time unknown; preview 2 sentences or more" in rendered(alone)


@pytest.mark.usefixtures("quick_and_keyless")
def test_a_preview_of_an_endpoint_keeps_no_answer_and_gives_the_price(
    server: BadEndpoint, tmp_path: Path
) -> None:
    write_text(tmp_path)
    endpoint = TranslatorConfig(
        translator="toy",
        backend="openai",
        base_url=server.url,
        cache=tmp_path / "cache",
        price_in=1.0,
        price_out=10.0,
    )
    config = toy_config(tmp_path, translator=endpoint, filters="none")
    before = tree(tmp_path)
    for _ in range(2):
        preview = preview_build(config, 4, quiet=True)
    assert tree(tmp_path) == before and not (tmp_path / "cache").exists()
    n_requests = len(server.requests)
    assert n_requests == 2 * 2 * 2  # runs, languages, the first sentence and the others
    # An answer has 11 tokens, whatever was expected of it.
    expected = estimate_build(config)
    trial = OpenAITranslator(endpoint)
    of_trial = [trial.estimate(preview.sentences, [code] * 4).output_tokens for code in config.to]
    assert expected.output_tokens is not None and expected.cost is not None
    output_tokens = round(expected.output_tokens * 44 / sum(of_trial))
    assert preview.estimate.output_tokens == output_tokens
    more = (output_tokens - expected.output_tokens) * 10.0 / 1e6
    assert preview.estimate.cost == pytest.approx(expected.cost + more)
    assert f"{output_tokens:,} out, without what the cache answers" in rendered(preview)


@pytest.mark.usefixtures("quick_and_keyless")
def test_a_preview_that_fails_speaks_of_no_cache(server: BadEndpoint, tmp_path: Path) -> None:
    write_text(tmp_path)
    server.always = refuses(401, "no such key")
    endpoint = TranslatorConfig(
        translator="toy", backend="openai", base_url=server.url, cache=tmp_path / "cache"
    )
    with pytest.raises(InputError, match=r"no such key(?!.*--resume)"):
        preview_build(toy_config(tmp_path, translator=endpoint), 2, quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--preview", "0"], "--preview': Input should be greater than or equal to 1"),
        (["--preview", "x"], "x"),
        (["--preview", "2", "--dry-run"], "exclude each other"),
    ],
)
def test_a_wrong_preview_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str], told: str
) -> None:
    text = write_text(tmp_path)
    given = ["build", str(text), "--to", "de", "--translator", "x", "--out", str(tmp_path / "out")]
    assert main([*given, *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_a_preview_of_nothing_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path)
    config = toy_config(tmp_path)
    with pytest.raises(InputError, match=r"^preview is 0; it must be a whole number of 1 or more"):
        preview_build(config, 0)
    seen = tmp_path / "seen.txt"
    seen.write_text((tmp_path / "text.txt").read_text())
    apart = replace(config, against=(str(seen),))
    with pytest.raises(InputError, match=r"^no sentence is left to translate \(.*seen.txt 60\)"):
        preview_build(apart, 2, quiet=True)
