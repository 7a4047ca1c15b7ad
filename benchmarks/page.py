"""How heavy `hexapla report`'s page is, and how soon a reader can use it, for 40 languages.

In: score folders made up for the purpose. Out: megabytes, and seconds from opening the file in
Chromium until a click on a heading has sorted the table. `python -m benchmarks.page [--languages
40] [--rounds 5]`
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

from hexapla.report.config import CompareConfig, ReportConfig
from hexapla.report.page import report
from hexapla.text.languages import LANGUAGES
from tests.fixtures.reports import write_runs


def seconds_to_sorted(page_file: Path, rounds: int) -> list[float]:
    """Open the page anew each time, and return how long it took until a click had sorted a table."""
    taken = []
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
            taken.append(time.perf_counter() - started)
            context.close()
        browser.close()
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the page, weigh it and open it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
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
        print(
            f"{len(languages)} languages, {len(runs)} runs: made in {time.perf_counter() - started:.0f} s"
        )
        print(f"  {page.stat().st_size / 1e6:.2f} MB")
        taken = seconds_to_sorted(page, given.rounds)
        print(
            f"  sorted {statistics.median(taken):.2f} s after opening ({min(taken):.2f} to {max(taken):.2f})"
        )


if __name__ == "__main__":
    main()
