"""The settings, read from the environment once and checked by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from outlive.agent_names import DEFAULT, default_agent
from outlive.errors import SettingError

BOUNDS = {
    "LEASE_SECONDS": (2, 300),
    "STALE_SECONDS": (10, 86_400),
    "PENDING_SECONDS": (10, 86_400),
    "SWEEP_RESEND_LIMIT": (0, 100),
    "MAX_STEPS": (1, 1000),
    "STEP_ATTEMPTS": (1, 100),
    "ANSWER_SECONDS": (1, 31_536_000),
    "PROVIDER_PATIENCE_SECONDS": (0, 86_400),
    "STOP_POLL_SECONDS": (1, 30),
    "STEPS_PER_MESSAGE": (1, 100),
    "MAXIMUM_CONCURRENCY": (2, 1000),
    "STARTS_PER_MINUTE": (0, 60_000),
    "HELD_READS_PER_MINUTE": (0, 60_000),
    "RETENTION_DAYS": (0, 3650),
    "MAX_FILE_MB": (1, 20),
}
"""The least and the greatest value of each number; the template's parameters have the same bounds."""

MODEL_NAME = re.compile(r"offline|[a-z0-9][a-z0-9_-]*:\S+")


@dataclass(frozen=True)
class Settings:
    """Every setting with its meaning; the defaults are the template's."""

    table_name: str
    queue_url: str = ""
    agent_model: str = ""
    """`offline`, or a Pydantic AI model name such as `bedrock:…`. If it is empty or malformed, starts answer 503."""
    lease_seconds: int = 30
    """How long a lease lasts without a heartbeat."""
    stale_seconds: int = 600
    """How long a run may make no progress before a sweep aborts it: at least as long as a lease."""
    pending_seconds: int = 3600
    """How long a run may wait for its first claim."""
    sweep_resend_limit: int = 3
    """How often a sweep sends a step's message again."""
    max_steps: int = 20
    step_attempts: int = 3
    answer_seconds: int = 604_800
    """How long a run waits for the answers to its calls."""
    approver_claim: str = ""
    """`claim:value`: a user whose token has it may answer calls of any run of the workspace. Empty: only the owner may."""
    provider_patience_seconds: int = 900
    """How long a step waits for a provider that takes no requests before its run fails."""
    stop_poll_seconds: float = 1.0
    steps_per_message: int = 1
    """How many steps in a row a worker executes for one message, while time allows."""
    maximum_concurrency: int = 50
    """How many steps run at the same time at most. A queue that holds a tenth of it is a line."""
    starts_per_minute: int = 0
    """How many runs a user may start in a minute; 0 is no limit."""
    held_reads_per_minute: int = 0
    """How many reads of a user may wait for news in a minute; 0 is no limit."""
    retention_days: int = 0
    """Days after which DynamoDB may delete runs, messages and records; 0 keeps them."""
    files_bucket: str = ""
    """The bucket with the files of chats."""
    max_file_mb: int = 10
    """The largest file that a user may attach to a prompt, in millions of bytes."""
    file_types: str = "image/png,image/jpeg,image/gif,image/webp,application/pdf,text/plain"
    """The media types of files that a user may attach to a prompt, separated by commas."""
    live_text: bool = True
    """Whether a step's text is stored while it streams, for readers to follow."""
    prompt_caching: bool = True
    """Whether providers are asked to cache a conversation between its steps."""
    runs_enabled: bool = True
    workspace_claim: str = "workspace_id"
    deps_claims: tuple[str, ...] = ()
    """The claims of the caller's token that tools get."""
    agents: tuple[str, ...] = (DEFAULT,)
    """The names of the deployed agents. They come from the build and not from the environment."""

    @property
    def default_agent(self) -> str | None:
        """The agent of a start that names none; None if a start has to name one."""
        return default_agent(self.agents)

    @property
    def max_file_bytes(self) -> int:
        """The largest file that a user may attach to a prompt, in bytes."""
        return self.max_file_mb * 1_000_000

    @property
    def model_usable(self) -> bool:
        """True if `agent_model` has the form of a model's name. Only a step finds out whether its provider answers."""
        return MODEL_NAME.fullmatch(self.agent_model) is not None


def read_settings(environment: Mapping[str, str], *, needs: tuple[str, ...] = ()) -> Settings:
    """The settings in `environment`.

    Raises SettingError, naming it, if one of `needs` is missing or any is malformed, or two contradict each other.
    """
    for name in ("TABLE_NAME", *needs):
        if not environment.get(name):
            raise SettingError(f"{name} is not set")
    settings = Settings(
        table_name=environment["TABLE_NAME"],
        queue_url=environment.get("QUEUE_URL", ""),
        agent_model=environment.get("AGENT_MODEL", "").strip(),
        lease_seconds=_whole(environment, "LEASE_SECONDS", Settings.lease_seconds),
        stale_seconds=_whole(environment, "STALE_SECONDS", Settings.stale_seconds),
        pending_seconds=_whole(environment, "PENDING_SECONDS", Settings.pending_seconds),
        sweep_resend_limit=_whole(environment, "SWEEP_RESEND_LIMIT", Settings.sweep_resend_limit),
        max_steps=_whole(environment, "MAX_STEPS", Settings.max_steps),
        step_attempts=_whole(environment, "STEP_ATTEMPTS", Settings.step_attempts),
        answer_seconds=_whole(environment, "ANSWER_SECONDS", Settings.answer_seconds),
        approver_claim=_claim(environment, "APPROVER_CLAIM"),
        provider_patience_seconds=_whole(environment, "PROVIDER_PATIENCE_SECONDS", Settings.provider_patience_seconds),
        stop_poll_seconds=_seconds(environment, "STOP_POLL_SECONDS", Settings.stop_poll_seconds),
        steps_per_message=_whole(environment, "STEPS_PER_MESSAGE", Settings.steps_per_message),
        maximum_concurrency=_whole(environment, "MAXIMUM_CONCURRENCY", Settings.maximum_concurrency),
        starts_per_minute=_whole(environment, "STARTS_PER_MINUTE", Settings.starts_per_minute),
        held_reads_per_minute=_whole(environment, "HELD_READS_PER_MINUTE", Settings.held_reads_per_minute),
        retention_days=_whole(environment, "RETENTION_DAYS", Settings.retention_days),
        files_bucket=environment.get("FILES_BUCKET", ""),
        max_file_mb=_whole(environment, "MAX_FILE_MB", Settings.max_file_mb),
        file_types=environment.get("FILE_TYPES") or Settings.file_types,
        live_text=_switch(environment, "LIVE_TEXT", default=Settings.live_text),
        prompt_caching=_switch(environment, "PROMPT_CACHING", default=Settings.prompt_caching),
        runs_enabled=_switch(environment, "RUNS_ENABLED", default=Settings.runs_enabled),
        workspace_claim=environment.get("WORKSPACE_CLAIM") or Settings.workspace_claim,
        deps_claims=tuple(name for part in environment.get("DEPS_CLAIMS", "").split(",") if (name := part.strip())),
    )
    stale, lease = settings.stale_seconds, settings.lease_seconds
    if stale < lease:
        raise SettingError(f"STALE_SECONDS ({stale}) must not be less than LEASE_SECONDS ({lease})")
    return settings


def _claim(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "").strip()
    claim, colon, value = text.partition(":")
    if text and not (claim and colon and value):
        raise SettingError(f"{name} must be claim:value, such as roles:approver, not {text!r}")
    return text


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text, (least, most) = environment.get(name, "").strip(), BOUNDS[name]
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise SettingError(f"{name} must be a number from {least} to {most}, not {text!r}")
    return value


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    value = _seconds(environment, name, default)
    if value != int(value):
        raise SettingError(f"{name} must be a whole number, not {value:g}")
    return int(value)


def _switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name, "").strip().lower()
    if text in ("", "true", "false"):
        return text == "true" if text else default
    raise SettingError(f"{name} must be true or false, not {text!r}")
