"""What of a night's input is no longer what it was: drift of the series, and rewritten history.

Usage: python -m pipelines.nightly.look_for_drift [--results PATH]. The rows go to
``DATA_DIR/nights/drift.parquet``, what people are told to ``drift.json`` and, of forecasts in life,
to ``in_life.json`` beside it, and what is known of history now to ``history/next/``: the night puts
it in the place of what was known when it has told people of the difference.
"""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ml.cli import HELP, Results, exit_on_error, start

if TYPE_CHECKING:
    import pyarrow as pa

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def look(results: Results = None) -> None:
    """Compare the last periods, history as such, and forecasts in life with what was before."""
    with exit_on_error():
        import numpy as np

        from ml.drift.detect import find_drift, watch_panel
        from ml.drift.history import hash_history, history_rows, read_state, write_state
        from ml.drift.outside import watch_outside
        from ml.drift.rows import join_rows, name_drift, tell_drift
        from ml.durable import disk_errors, make_folder, staged, write_sealed
        from ml.processed import write_parquet
        from ml.run.inputs import read_processed
        from ml.run.plan import panel_name
        from ml.run.request import RunRequest
        from pipelines.nightly.found_drift import NEXT, SEEN
        from pipelines.nightly.in_life import look_at_life
        from pipelines.nightly.steps import DRIFT, IN_LIFE

        request = RunRequest(command="look_for_drift", results_folder=results, drivers=False)
        config, inputs = request.settings, read_processed(request)
        place = (config.data_dir / DRIFT).parent
        groups = families(inputs.items)
        tables, states, told, named = [], {}, {}, {}
        for panel in inputs.panels:
            name = panel_name(panel.kind, panel.frequency, panel.cutoff)
            file = f"{name}.parquet"
            own = [
                find_drift(
                    watch_panel(panel, name),
                    groups=groups if panel.is_demand else None,
                    rate=config.drift_rate,
                    false_share=config.drift_false_share,
                    seed=config.seed,
                ),
                history_rows(name, panel, read_state(config.data_dir / SEEN / file)),
            ]
            states[config.data_dir / NEXT / file] = hash_history(panel)
            # A rewritten history is news although the series drift, and the other way round.
            for subject, table in zip((name, f"{name}, history"), own, strict=True):
                told[subject], named[subject] = tell_drift(table), name_drift(table)
            tables += own
        for one in watch_outside(outside_series(config.data_dir), np.datetime64(request.today)):
            rate, share = config.drift_rate / 2, config.drift_false_share
            tables.append(find_drift(one, rate=rate, false_share=share, seed=config.seed))
            told[one.panel], named[one.panel] = tell_drift(tables[-1]), name_drift(tables[-1])
        panels = {panel_name(p.kind, p.frequency, p.cutoff): p for p in inputs.panels}
        life = look_at_life(request.results, panels, config.drift_rate)
        rows = join_rows([*tables, *life.tables])
        with disk_errors("looking for drift", "Correct that and run again."):
            make_folder(config.data_dir / NEXT)
            with staged(place / "drift.parquet") as path:
                write_parquet(rows, path)
            write_sealed(config.data_dir / DRIFT, {"told": _some(told), "named": _some(named)})
            broken = _some(life.told)
            found = {"told": broken, "named": _some(life.named), "coverage": life.coverage}
            write_sealed(config.data_dir / IN_LIFE, found)
            for path, state in states.items():
                write_state(path, state)
        for line in (line for own in (*told.values(), *broken.values()) for line in own):
            typer.echo(line)
        typer.echo(f"drift: {rows.num_rows} series looked at in {len(panels)} panels, "
                   f"{len([*filter(None, told.values()), *broken])} things to tell")  # fmt: skip


def outside_series(data_dir: Path) -> "dict[str, pa.Table]":
    """Tables of outside series; prices are a panel of their own."""
    from ml.contracts.outside import PRICES
    from ml.processed import outside_tables, reading

    with reading(data_dir):
        found = outside_tables(data_dir)
    return {name: table for name, table in found.items() if name != PRICES.name}


def _some(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: own for name, own in found.items() if own}


def families(items: "pa.Table | None") -> dict[str, list[str]]:
    """Ids of items by their family, of a table of items."""
    found: dict[str, list[str]] = defaultdict(list)
    if items is not None:
        for row in items.select(["item_id", "family"]).to_pylist():
            if row["family"] is not None:
                found[row["family"]].append(row["item_id"])
    return dict(found)


if __name__ == "__main__":
    start(app)
