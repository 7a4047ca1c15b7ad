"""The command that does a whole matrix of experiments: reproduce. It parses, calls and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.cli.options import Debug, Overwrite, Quiet, State, calm_libraries


def reproduce(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="TOML file, or mini, paper, paper-diverse or domain."
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder that DATA/ in the recipe stands for.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and what it will take, and stop.")
    ] = False,
    print_recipe: Annotated[
        bool, typer.Option("--print", help="Print the recipe, to copy and change; and stop.")
    ] = False,
    executor: Annotated[
        str, typer.Option(help="local processes, or a ray cluster that shares the folder.")
    ] = "local",
    workers: Annotated[int, typer.Option(help="Cells done at once.")] = 1,
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster.")] = None,
    gpus: Annotated[
        float, typer.Option(help="That Ray gives to a cell; may be a part of one.")
    ] = 0.0,
    keep_encoders: Annotated[
        bool, typer.Option(help="Keep the trained weights, once their scores stand.")
    ] = True,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the results in the folder, also by a changed recipe."
        ),
    ] = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Do a whole matrix of experiments: corpora, trainings, evaluations, comparisons with pages."""
    from hexapla.errors import InputError
    from hexapla.runs.recipe import find_recipe

    if print_recipe:
        typer.echo(find_recipe(recipe, "experiments").read_text(encoding="utf-8"), nl=False)
        return
    if out is None:
        raise InputError("no folder to write; give one (--out)")
    from hexapla.reproduce import ReproduceConfig
    from hexapla.reproduce import estimate as plan_only
    from hexapla.reproduce import reproduce as run

    calm_libraries()
    config = ReproduceConfig(
        recipe=recipe,
        out=out,
        data=data,
        executor=executor,
        workers=workers,
        address=address,
        gpus=gpus,  # type: ignore[arg-type]
        keep_encoders=keep_encoders,
        resume=resume,
        overwrite=overwrite,
    )
    if dry_run:
        plan, estimate = plan_only(config)
        for line in (*plan.lines(), *estimate.lines()):
            typer.echo(line)
        return
    outcome = run(config, quiet=State.quiet)
    typer.echo(
        f"{out / 'results.md'}: {outcome.n_done} of {outcome.n_cells} cells done now, {len(outcome.failures)} failed"
    )
    for reason in outcome.lacking.values():
        typer.echo(reason, err=True)
    if outcome.failures or outcome.lacking:
        raise typer.Exit(1)
