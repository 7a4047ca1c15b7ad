"""The command that runs a whole matrix of experiments: reproduce."""

from __future__ import annotations

from typing import Annotated

import typer

from hexapla.cli.options import State, say, silence_libraries
from hexapla.cli.streams import print_error
from hexapla.reproduce.config import ReproduceConfig
from hexapla.text.printable import printable, printable_lines


def reproduce(
    config: ReproduceConfig,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and what it will take, and stop.")
    ] = False,
    print_recipe: Annotated[
        bool, typer.Option("--print", help="Print the recipe, to copy and change, and stop.")
    ] = False,
) -> None:
    """Each comparison gets a page, and all results stand in results.md."""
    if print_recipe:
        from hexapla.runs.recipe import find_recipe

        text = find_recipe(config.recipe, "experiments").read_text(encoding="utf-8")
        print(printable_lines(text), end="", flush=True)
        return
    from hexapla.reproduce.check_reproduction import check_reproduction

    check_reproduction(config, dry_run=dry_run)
    from hexapla.reproduce import estimate as plan_only
    from hexapla.reproduce import reproduce as run

    silence_libraries()
    if dry_run:
        plan, estimate = plan_only(config)
        for line in (*plan.lines(), *estimate.lines()):
            say(line)
        return
    outcome = run(config, quiet=State.quiet)
    say(
        f"{config.out / 'results.md'}: {outcome.n_done} of {outcome.n_cells} cells done now, "
        f"{len(outcome.failures)} failed"
    )
    for reason in outcome.lacking.values():
        print_error(printable(reason))
    if outcome.failures or outcome.lacking:
        raise typer.Exit(1)
