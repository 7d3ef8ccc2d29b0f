"""The processes of a scene: what each does, and as whom."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from proof.scenes.actors import Cast
from proof.scenes.snapshot import Item

Program = Callable[[], Hashable]


@dataclass(frozen=True)
class Role:
    """A process of a scene: what it does, as whom, and what it is (`start`, `stop`, `answer`, `sweep`, `read`)."""

    does: Callable[[Cast], Program]
    part: str
    workspace: str = "w"
    user: str = "ada"
    chat: str = "c"
    run_id: str | None = None
    key: str | None = None
    window: int | None = None
    decisions: tuple[tuple[str, bool], ...] = ()
    approves: bool = False
    in_place: bool = False
    on_busy: str = "reject"
    supersedes: str | None = None

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for two that do the same."""
        return (
            self.part, self.workspace, self.user, self.chat, self.run_id, self.key, self.window, self.decisions,
            self.in_place, self.on_busy, self.supersedes,
        )  # fmt: skip


def start(chat: str = "c", *, key: str | None = None, user: str = "ada", workspace: str = "w") -> Role:
    """Somebody starts a run."""
    return Role(
        lambda cast: cast.start(chat, key=key, user=user, workspace=workspace), "start", workspace, user, chat, key=key
    )


def waits(on_busy: str = "enqueue", *, run_id: str | None = None, key: str | None = None, user: str = "ada") -> Role:
    """Somebody starts a run and says what becomes of it in a busy chat; `run_id` is the one that it supersedes."""
    return Role(
        lambda cast: cast.start(key=key, user=user, on_busy=on_busy, supersedes=run_id),
        "start", user=user, key=key, on_busy=on_busy, supersedes=run_id,
    )  # fmt: skip


def typed(*, key: str | None = None) -> Role:
    """Somebody types a message in place of a decision."""
    return Role(lambda cast: cast.start(key=key, in_place=True), "start", key=key, in_place=True)


def answer(
    run_id: str = "a.1", *, user: str = "ada", workspace: str = "w", approves: bool = False, **decisions: bool
) -> Role:
    """Somebody decides calls of a run: `c1=True` approves."""
    return Role(
        lambda cast: cast.answer(run_id, decisions, user=user, workspace=workspace, approves=approves),
        "answer", workspace, user, run_id=run_id, decisions=tuple(decisions.items()), approves=approves,
    )  # fmt: skip


def stop(chat: str = "c", *, user: str = "ada", workspace: str = "w") -> Role:
    """A stop by chat id: it acts on the run that is active."""
    return Role(lambda cast: cast.stop_chat(chat, user=user, workspace=workspace), "stop", workspace, user, chat)


def stop_run(run_id: str, *, user: str = "ada", workspace: str = "w") -> Role:
    """Somebody stops one run."""
    return Role(
        lambda cast: cast.stop_run(run_id, user=user, workspace=workspace), "stop", workspace, user, run_id=run_id
    )


def sweep(window: int | None = None) -> Role:
    """The schedule ticks."""
    return Role(lambda cast: cast.sweep(window), "sweep", "", "", window=window)


def read(chat: str = "c", *, user: str = "ada", workspace: str = "w") -> Role:
    """Somebody reconnects."""
    return Role(lambda cast: cast.read(chat, user=user, workspace=workspace), "read", workspace, user, chat)


def belongs_to(run: Item, role: Role) -> bool:
    return bool(run.text("workspace_id") == role.workspace and run.text("owner") == role.user)
