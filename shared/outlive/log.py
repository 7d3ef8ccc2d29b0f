"""What the functions say: one line per move, and one metric where somebody has to look."""

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from outlive.rows import Run

logger = Logger(service="outlive")


def moved(move: str, run: "Run", from_status: str) -> None:
    """Say that `move` was made, and what the run is since."""
    said = {
        "run": run.id,
        "chat": run.chat_id,
        "move": move,
        "from": str(from_status),
        "to": str(run.status),
        "attempt": run.attempt,
        "step": run.claimed_step,
    }
    logger.info(move, extra=said)


def unexpected(message: str, error: Exception, **said: object) -> None:
    """Say that something of ours broke, and where: in one line, for a stack trace holds what nobody should read."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
    logger.error(message, cause=f"{type(error).__name__}: {error}", where=where, **said)  # type: ignore[arg-type]


def retired(cause: str) -> None:
    """Say that this process ends itself, and why. The platform starts another."""
    from aws_lambda_powertools.metrics import MetricUnit, single_metric  # noqa: PLC0415

    logger.warning("worker_retired", cause=cause)
    with single_metric("WorkerRetired", MetricUnit.Count, 1, namespace="Outlive"):
        pass


def unsettled(run: "Run", cause: str) -> None:
    """Say that a run could not be settled though its work is over: the sweep will, but somebody should look."""
    logger.error("settle_failed", run=run.id, chat=run.chat_id, cause=cause)
    _count("SettleFailed")


def unreadable(run_id: str, cause: str) -> None:
    """Say that a run's row is damaged and the run is being given up for it: somebody should look who wrote there."""
    logger.error("run_unreadable", run=run_id, cause=cause)
    _count("RunUnreadable")


def _count(metric: str) -> None:
    # Imported here because it is needed next to never, and every cold start would pay for it.
    from aws_lambda_powertools.metrics import MetricUnit, single_metric  # noqa: PLC0415

    with single_metric(metric, MetricUnit.Count, 1, namespace="Outlive"):
        pass
