"""Put models in use by hand, or set them aside. Usage: python pipelines/choose_models.py --help."""

from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, start

app = typer.Typer(add_completion=False, context_settings=HELP)
demote_app = typer.Typer(add_completion=False, context_settings=HELP)
SHOWN = 20  # choices


@app.command()
def promote(
    models: Annotated[
        str | None,
        typer.Argument(metavar="SET", help="Models to put in use.", show_default="list them"),
    ] = None,
) -> None:
    """Put models in use that lost to others; without a name, list the choices so far."""
    with exit_on_error():
        from ml.run.model_sets import show_choices
        from ml.settings import settings

        if models is not None:
            _choose(models, promote=True)
            return
        for line in show_choices(settings().models_dir, SHOWN):
            typer.echo(line)


@demote_app.command()
def demote(
    models: Annotated[str, typer.Argument(metavar="SET", help="Models to set aside.")],
) -> None:
    """Set models aside, and go back to those that they took the place of."""
    with exit_on_error():
        _choose(models, promote=False)


def _choose(name: str, *, promote: bool) -> None:
    from ml.run.model_sets import choose_by_hand
    from ml.settings import settings

    choice = choose_by_hand(settings().models_dir, name, promote=promote)
    typer.echo(f"{choice.panel}: the next run goes on from {choice.taken}")


if __name__ == "__main__":
    start(app)
