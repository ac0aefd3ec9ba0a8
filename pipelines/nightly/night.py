"""One night: its steps one by one, what they left in the ledger, and the line that cron sees."""

import json
import os
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ml.durable import read_sealed
from ml.errors import ConfigError, PipelineError
from ml.logs import logger, logging_to
from ml.run.model_sets import SetChoice
from ml.settings import Settings, refuse_open_secrets, settings
from pipelines.messages.transport import addresses_of, check_addresses
from pipelines.nightly import ledger, preflight
from pipelines.nightly.found_drift import RETRAIN, ask_retraining
from pipelines.nightly.kept_inputs import keep_inputs
from pipelines.nightly.notify import tell_how_it_went
from pipelines.nightly.preflight import NightLog, remark
from pipelines.nightly.steps import (
    CHECKED,
    NightRequest,
    Step,
    all_code,
    newest_record,
    plan_steps,
    processed_files,
    user_files,
)
from pipelines.nightly.supervisor import (
    Ended,
    Limits,
    StoppedError,
    run_step,
    stopping_on_signals,
)
from pipelines.publish.deploy import Deployment
from pipelines.publish.s3_target import settings_target

COMMAND = "auto_update_ml_results"
GATE = "gate: "  # what a line of a closed gate begins with
UNSERVED = "warning: degraded: no source served "  # likewise of a source that is dead
_PUBLISHED = re.compile(r" (?:as|is) record (\d+) in (.+?)(?: already.*|: \d+ files sent.*)?$")


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that failed."""

    step: Step  # the command
    code: int  # its exit code
    last_line: str  # the last thing it said
    since: str = ""  # for how long it has failed, where that is more than a night

    @property
    def text(self) -> str:
        """All of it in a few words."""
        line = self.last_line.removeprefix("error: ")
        return f"{self.step.name} failed ({self.code}{self.since}): {line}"


@dataclass(frozen=True, slots=True)
class Night:
    """A night that is at work."""

    config: Settings  # everything stable
    asked: NightRequest  # what it is to do
    run: ledger.BegunRun  # its place in the ledger
    lock: Path  # file that is held while a step lives
    log: NightLog  # where its steps are heard
    failures: list[Failure] = field(default_factory=list)
    done: list[str] = field(default_factory=list)  # steps that ended well, by name
    lacking: list[str] = field(default_factory=list)  # what these went without
    # why panels' models are trained anew, by panel, beside age and --force-retrain
    retrained: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        """The results folder."""
        return self.asked.results or self.config.ml_results_path

    @property
    def note(self) -> preflight.Decide:
        """Notes a decision of this night."""
        return preflight.noter(self.config.data_dir, self.run.number)


def night(asked: NightRequest, *, quiet: bool = False) -> tuple[int, str]:
    """Run a night; returns its exit code and one line that says how it went.

    What the steps say is in ``LOG_DIR/nights``, ``quiet`` or not.

    Raises:
        ConfigError: There is nothing to do, or nowhere to publish to.
        PublishError: The machine refuses before there is a place to note it.
    """
    config = settings()
    config = config.model_copy(update={"night_day": config.current_day})  # midnight may pass
    planned = plan_steps(config, asked)
    _refuse_nothing(config, asked, planned)
    if asked.dry_run:
        return 0, _tell_plan(config, planned)
    with ExitStack() as stack:
        stack.enter_context(stopping_on_signals())
        if other := preflight.hold_the_night(config, stack):
            return 0, f"nothing done, a night is running: {other}"
        run_id = f"{ledger.moment(config):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        stack.enter_context(logging_to(config.log_dir, COMMAND, run_id))
        lock = preflight.await_dying_steps(config)
        facts = ledger.RunFacts(
            run_id, config.current_day, _options_of(config, asked), all_code(), config.seed,
            socket.gethostname(), os.getpid(),
        )  # fmt: skip
        begun = ledger.begin_run(config.data_dir, facts)
        log = NightLog(config.log_dir / preflight.TEXTS / f"{run_id}.txt", quiet=quiet)
        return _guarded(Night(config, asked, begun, lock, log), planned)


def _guarded(this: Night, planned: Sequence[Step]) -> tuple[int, str]:
    """Do a night, and note how it ended, whatever ends it."""
    outcome, code, line = ledger.FAILED, 1, "ended by a fault of the program"
    try:
        _look_first(this, planned)
        run_night(this, planned)
        outcome, code, line = _sum_up(this)
    except StoppedError as stopped:
        outcome, code = ledger.STOPPED, 128 + stopped.number
        line = f"error: the night was stopped by {stopped}; run it again, it goes on"
    except PipelineError as error:
        code, line = error.exit_code, f"error: {error}"
    finally:
        _note_end(this, planned, outcome, code, line)
    return code, line


def _note_end(this: Night, planned: Sequence[Step], outcome: str, code: int, line: str) -> None:
    """Note how a night ended, and tell whoever is to be told."""
    data_dir, run = this.config.data_dir, this.run.number
    try:
        ledger.end_run(data_dir, run, outcome, code, line)
    except PipelineError as error:  # a full disk: how the night went is said all the same
        remark(f"the ledger lacks the end of this night: {error}")
    if outcome == ledger.STOPPED:
        return
    try:
        lacking = tell_how_it_went(
            this.config, run, this.run.run_id, code=code, line=line,
            last_night=ledger.last_night(data_dir, run),
            planned=[step.part for step in planned],
        )  # fmt: skip
    except PipelineError as error:
        lacking = [f"nobody was told how this night went: {error}"]
    for one in lacking:
        remark(one)


def _options_of(config: Settings, asked: NightRequest) -> dict[str, Any]:
    return {
        "to": asked.to, "results": asked.results, "force_retrain": asked.force_retrain,
        "steps": asked.steps, "publish": asked.publish, "settings": config.plain,
    }  # fmt: skip


def _refuse_nothing(config: Settings, asked: NightRequest, planned: Sequence[Step]) -> None:
    """Refuse a night without a step, without a place for what it makes, or with nobody to tell.

    Raises:
        ConfigError: It has none, or people's addresses are none.
    """
    refuse_open_secrets()
    if config.message_urls.get_secret_value():  # else nobody would be told that nobody was told
        check_addresses(addresses_of(config.message_urls))
    if not planned:
        raise ConfigError(
            "night: nothing to do. ENABLE_EXTERNAL_APIS lets it fetch outside data, files in "
            f"'{config.data_dir / 'raw' / 'user'}' are read, ENABLE_ML_PROCESSING lets it forecast."
        )
    if "publish" in asked.parts(config) and asked.to is None:
        if not config.s3_endpoint:
            raise ConfigError(
                "nowhere to publish to: set S3_ENDPOINT and its keys, or --to FOLDER."
            )
        settings_target()  # a missing key or bucket should not show after an hour of work


def _tell_plan(config: Settings, planned: Sequence[Step]) -> str:
    """What a night would do, a line each."""
    lines = [f"would run, on {config.current_day}:"]
    lines += [f"  {step.part}: {step.name}" for step in planned]
    if not config.enable_ml_processing:
        lines.append("ENABLE_ML_PROCESSING is false: it would stop after the data")
    return "\n".join(lines)


def _look_first(this: Night, planned: Sequence[Step]) -> None:
    """The look at machine, store and clock before the work."""
    config, note = this.config, this.note
    preflight.check_disks(config, this.results)
    last = ledger.last_night(config.data_dir, this.run.number)
    preflight.check_days(config, this.run, None if last is None else last[0], note)
    if any(step.part == "publish" for step in planned):
        preflight.check_store(Deployment(this.asked.to, this.results), note)
    if any(step.part in {"demand", "results"} for step in planned):
        preflight.await_run_by_hand(this.results, config.night_wait_minutes, note)
    if this.run.left:
        kept = f"run {this.run.before and this.run.before['id']}"
        note("earlier run", "gone on with", f"{kept} of this day did not come to its end")


def run_night(this: Night, planned: Sequence[Step]) -> None:
    """Do the steps until a needed one fails, and those that are done in any case.

    A step that fails leaves the published version as it is: only one publishes.
    """
    for step in planned:
        broken = any(failure.step.needed for failure in this.failures)
        if broken and not step.always:
            continue
        asked = _ask_retraining(this, step) if step.part == "results" else step
        if not _keep(this, asked):
            _do(this, asked)


def _ask_retraining(this: Night, step: Step) -> Step:
    """The main job, asked to train what tonight's findings say."""
    if "look_for_drift" in this.done:
        with ledger.night_ledger(this.config.data_dir) as db:
            this.retrained.update(ask_retraining(this.config.data_dir, db))
    if not this.retrained:
        return step
    return replace(step, command=(*step.command, "--refit-panels", ",".join(this.retrained)))


def _do(this: Night, step: Step) -> None:
    """Run a step, and note in the ledger what came of it."""
    data_dir, config = this.config.data_dir, this.config
    facts: dict[str, Any] = {"needed": step.needed}
    if step.part == "results":
        facts["head"] = newest_record(this.results)[0]
    number = ledger.begin_step(data_dir, this.run.number, step.name, _inputs_of(step), facts)
    logger().info("step_started", step=step.name)
    limits = Limits(config.night_step_hours * 3600, config.night_silence_minutes * 60)
    try:
        ended = run_step(
            step.command, limits, this.lock, say=this.log.say,
            keep=UNSERVED if step.part == "outside" else GATE,
            variables={"PYTHONUNBUFFERED": "1", "NIGHT_DAY": str(config.current_day)},
        )  # fmt: skip
    except StoppedError as stopped:
        ledger.end_step(data_dir, number, ledger.STOPPED, last_line=f"stopped by {stopped}")
        raise
    logger().info("step_done", step=step.name, code=ended.code, last_line=ended.last_line)
    lacking = "" if ended.code else _tell_lacking(this, step, ended)
    outcome = ledger.FAILED if ended.code else ledger.DEGRADED if lacking else ledger.DONE
    ledger.end_step(
        data_dir, number, outcome, exit_code=ended.code,
        last_line=lacking or ended.last_line, seconds=round(ended.seconds, 3),
        cpu_seconds=round(ended.cpu_seconds, 3), peak_mib=round(ended.peak_mib, 1),
    )  # fmt: skip
    if step.part == "publish" and ended.lines:
        rules = [line.removeprefix(GATE).partition(":")[0] for line in ended.lines]
        this.note("gate", "closed", f"closed by {', '.join(rules)}", lines=ended.lines)
    if ended.code:
        since = ledger.failing_since(data_dir, step.name)
        told = f", on {since[0]} nights since {since[1]}" if since and since[0] > 1 else ""
        this.failures.append(Failure(step, ended.code, ended.last_line, told))
    else:
        this.done.append(step.name)
        _note_made(this, step, ended.last_line)


def _tell_lacking(this: Night, step: Step, ended: Ended) -> str:
    """What a step of outside data went without, in words; empty = nothing."""
    if step.part != "outside" or not ended.lines:
        return ""
    said = "; ".join(line.removeprefix("warning: degraded: ") for line in ended.lines)
    this.lacking.append(f"{step.name}: {said}")
    return said


def _keep(this: Night, step: Step) -> bool:
    """Whether a run that this one goes on with has done a step on the same inputs."""
    left = this.run.left.get(step.name)
    inputs = _inputs_of(step)
    if left is None or not inputs or left["inputs"] != inputs:
        return False
    if left["outcome"] not in {ledger.DONE, ledger.KEPT} and not _was_committed(this, step, left):
        return False
    ledger.keep_step(this.config.data_dir, this.run.number, left)
    this.log.say(f"{step.name}: done by run {left['run']} already, on the same inputs\n")
    this.done.append(step.name)
    _note_made(this, step, left["last_line"] or "")
    return True


def _was_committed(this: Night, step: Step, left: Any) -> bool:
    """Whether a main job that was killed had committed its version before."""
    if step.part != "results" or left["outcome"] == ledger.FAILED:
        return False
    seq, _, partial = newest_record(this.results)
    return seq > json.loads(left["facts"])["head"] and not partial


def _inputs_of(step: Step) -> str:
    """One hash of what a step depends on; empty where that cannot be told."""
    try:
        return step.inputs()
    except (PipelineError, OSError):  # the step says what is wrong with it
        return ""


def _note_made(this: Night, step: Step, last_line: str) -> None:
    """Note what a step that ended well has read or made."""
    data_dir, run = this.config.data_dir, this.run.number
    if step.part == "demand":
        ledger.note_inputs(data_dir, run, user_files(data_dir))
    elif step.part == "results":
        ledger.note_inputs(data_dir, run, processed_files(data_dir))
        if this.config.keep_inputs:
            keep_inputs(data_dir, ledger.inputs_of(data_dir, run))
        recipe = (read_sealed(data_dir / CHECKED) or {}).get("recipe", {})
        about, chosen = ledger.describe_version(this.results)
        facts = {**about, "recipe": recipe}
        _note_models(this, recipe, facts)
        for panel, reason in this.retrained.items():
            this.note(RETRAIN, panel, reason)
        for one in (SetChoice(**own) for own in chosen.values()):
            choice = "taken" if one.promoted else "stays"
            this.note("promotion", f"{one.panel} {choice}", one.text, **asdict(one))
        ledger.note_version(data_dir, run, facts)
    elif step.part == "publish" and (found := _PUBLISHED.search(last_line)):
        version = newest_record(this.results)[1]
        ledger.note_published(data_dir, run, version, found[2], int(found[1]))


def _note_models(this: Night, recipe: dict[str, Any], made: Mapping[str, Any]) -> None:
    """Note whether a version's models are others than those of the version before, and why."""
    last = ledger.last_version(this.config.data_dir)
    before = {} if last is None else json.loads(last["recipe"])
    changed = [name for name, value in recipe.items() if before.get(name) != value]
    fitted: dict[str, Any] = made["fitted"]
    days = ", ".join(f"{name} on {one['fitted_at']}" for name, one in fitted.items())
    if last is not None and made["forecasts"] == last["forecasts"]:
        choice, reason = "kept", f"data, code and settings are those of {last['version_id']}"
    elif any(one["state"] for one in fitted.values()):
        choice = "gone on with"
        reason = f"other {', '.join(changed)}, and what was fitted is young enough ({days})"
    elif this.asked.force_retrain:
        choice, reason = "fitted anew", f"--force-retrain asks for it ({days})"
    elif this.retrained:
        choice, reason = "fitted anew", f"{'; '.join(this.retrained.values())} ({days})"
    elif last is None:
        choice, reason = "fitted anew", f"no night had made a version yet ({days})"
    else:
        choice, reason = "fitted anew", f"other {', '.join(changed) or 'settings'} ({days})"
    this.note("models", choice, reason, recipe=recipe, before=before, fitted=fitted)


def _sum_up(this: Night) -> tuple[str, int, str]:
    """How a night ended: outcome, exit code, and the line that cron sees."""
    broken = next((failure for failure in this.failures if failure.step.needed), None)
    if broken is not None:
        return ledger.FAILED, broken.code, f"error: {broken.text}"
    line = f"night done: {', '.join(this.done)}"
    if not this.config.enable_ml_processing:
        line += "; ENABLE_ML_PROCESSING is false: stopped after the data"
    degraded = "; ".join([*(failure.text for failure in this.failures), *this.lacking])
    if degraded:
        return ledger.DEGRADED, 0, f"{line}; degraded: {degraded}"
    return ledger.DONE, 0, line
