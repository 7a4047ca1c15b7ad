"""Measure the size of `hexapla report`'s page, and how soon a reader can use it, with 40 languages.

In: score folders made here.
Out: megabytes, and seconds from opening the file in Chromium until a click on a column heading has
sorted the table.

    python -m benchmarks.page [--languages 40] [--rounds 5]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.kept import keep
from hexapla.report import CompareConfig, ReportConfig, report
from hexapla.text.languages import LANGUAGES
from tests.fixtures.reports import write_runs


def seconds_to_sorted(page_file: Path, rounds: int) -> list[float]:
    """Open the page in a new context each time; return the seconds until a click has sorted it."""
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for _ in range(rounds):
            context = browser.new_context(offline=True)
            page = context.new_page()
            started = time.perf_counter()
            page.goto(f"file://{page_file}", wait_until="commit")
            page.locator("#headline th.n button").first.click()
            page.wait_for_selector("#headline th[aria-sort]")
            seconds.append(time.perf_counter() - started)
            context.close()
        browser.close()
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the page, measure its size and open it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--languages", type=int, default=40, help="languages on the page")
    parser.add_argument("--rounds", type=int, default=5, help="how often the page is opened")
    given = parser.parse_args(arguments)
    others = [code for code in LANGUAGES if code not in ("eng_Latn", "deu_Latn", "fra_Latn")]
    languages = ("eng_Latn", "deu_Latn", "fra_Latn", *others[:: len(others) // given.languages])[
        : given.languages
    ]
    with tempfile.TemporaryDirectory() as folder:
        runs = write_runs(Path(folder), languages=languages, n_items=200, n_rows=100)
        started = time.perf_counter()
        config = CompareConfig(scores=tuple(runs), out=Path(folder) / "out")
        page = report(ReportConfig(compare=config))
        taken = time.perf_counter() - started
        print(f"{len(languages)} languages, {len(runs)} runs: made in {taken:.0f} s")
        print(f"  {page.stat().st_size / 1e6:.2f} MB")
        seconds = seconds_to_sorted(page, given.rounds)
        keep("report opened and its table sorted", seconds, "s")
        print(
            f"  sorted {statistics.median(seconds):.2f} s after opening "
            f"({min(seconds):.2f} to {max(seconds):.2f})"
        )


if __name__ == "__main__":
    main()
