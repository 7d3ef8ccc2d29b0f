"""The log lines of all functions, one per move, and a metric for each fault that an operator has to look at."""

from aws_lambda_powertools import Logger

logger = Logger(location=None)
"""Every line is JSON and names its stack as `service` (POWERTOOLS_SERVICE_NAME). A line's message says where it comes from."""


def cause(error: BaseException) -> str:
    """The error in one line: its class and its message."""
    return f"{type(error).__name__}: {error}"


def unexpected(message: str, error: Exception, **fields: object) -> None:
    """Log an unexpected error and where it was raised, in one line. A stack trace could contain secrets."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
    logger.error(message, cause=cause(error), where=where, **fields)  # type: ignore[arg-type]


def retired(why: str) -> None:
    """Log and count that this process ends itself. The platform starts another."""
    logger.warning("worker_retired", cause=why)
    _count("WorkerRetired")


def unsettled(run_id: str, chat_id: str, error: Exception) -> None:
    """Log and count that a run whose work is over could not be settled. The sweep will settle it; an operator should look."""
    logger.error("settle_failed", run=run_id, chat=chat_id, cause=cause(error))
    _count("SettleFailed")


def unreadable(run_id: str, why: str) -> None:
    """Log and count that a run's row is damaged and the run is given up. An operator should look at what wrote there."""
    logger.error("run_unreadable", run=run_id, cause=why)
    _count("RunUnreadable")


def damaged(message: str, **fields: object) -> None:
    """Log and count that a stored row can't be read, and that an answer leaves it out."""
    logger.warning(message, **fields)  # type: ignore[arg-type]
    _count("RowDamaged")


def _count(metric: str) -> None:
    # Imported here because it is rarely needed and would lengthen every cold start.
    from aws_lambda_powertools.metrics import MetricUnit, single_metric  # noqa: PLC0415

    with single_metric(metric, MetricUnit.Count, 1, namespace="Outlive"):
        pass
