"""The command that shows the main job: demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hexapla.cli.options import State, say, silence_libraries
from hexapla.runs.config import DemoConfig
from hexapla.text.languages import name

if TYPE_CHECKING:
    from hexapla.demo import DemoResult

_NAMES = {"base": "before alignment", "en-x": "after English-X", "multiway": "after multiway"}
# The encoder of the commands that the demo suggests, for each that it may have aligned.
_ENCODERS = {"small@4": "small", "tiny": "tiny --learning-rate 1e-3"}
_REGIMES = """\
English-X trains on each sentence with its translation into one language, multiway on translations
into several, with each other too."""
_NEXT = """\
Next, with rows of your own (a column for each language; any cell but English may be empty):
  hexapla inspect rows.tsv
  hexapla align rows.tsv --encoder {encoder} --held-out 0.1 --out aligned
  hexapla compare aligned
The result loads in Python: SentenceTransformer("aligned")"""


def demo(config: DemoConfig) -> None:
    """It aligns twice, evaluates and compares, and takes minutes."""
    from hexapla.demo import demo as run

    silence_libraries()
    result = run(
        config.out,
        encoder=config.encoder,
        seed=config.seed,
        overwrite=config.overwrite,
        quiet=State.quiet,
    )
    for line in demo_lines(result):
        say(line)


def demo_lines(result: DemoResult) -> list[str]:
    """Return what a newcomer reads at the end."""
    n_seen, n_unseen = result.n_sentences
    lines = [
        "",
        f"{result.n_rows} rows were kept from training. The nearest of all other sentences, in any "
        "language, is a translation:",
        f"{'':18}{'languages of the training':>30}{'other languages':>22}",
    ]
    for key, label in _NAMES.items():
        seen, unseen = result.found[key]
        lines.append(
            f"  {label:16}{f'{seen} of {n_seen} times':>30}{f'{unseen} of {n_unseen} times':>22}"
        )
    if result.righted:
        lines += ["", "Sentences whose nearest neighbour became right under multiway:"]
    for one in result.righted:
        lines += [
            f"  {name(one.query.language)}: {one.query.text} ({one.query.english})",
            f"    before: {one.before.text} ({one.before.english})",
            f"    after:  {one.after.text} ({name(one.after.language)})",
        ]
    return [
        *lines,
        "",
        *_REGIMES.split("\n"),
        "So few rows do not tell the two apart. All scores, with their intervals:",
        f"  {result.statistics}",
        "",
        *_NEXT.format(encoder=_ENCODERS[result.base]).split("\n"),
    ]
