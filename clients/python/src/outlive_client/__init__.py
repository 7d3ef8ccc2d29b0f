"""Start, watch and stop runs of an Outlive API.

with Outlive("https://…", token) as outlive:
    run = outlive.start("my-chat", "What time is it?").run
    for event in outlive.watch(run.id):
        ...
"""

from outlive_client.async_client import AsyncOutlive
from outlive_client.client import Outlive
from outlive_client.errors import (
    BadAnswer,
    ChatNotFound,
    IdempotencyKeyReused,
    InternalError,
    InvalidRequest,
    ModelNotConfigured,
    OutliveError,
    Problem,
    PromptTooLong,
    ReadFailed,
    RunAlreadyActive,
    RunNotFound,
    RunsDisabled,
    StartFailed,
    StopFailed,
    TicketExpired,
    Unauthorized,
    Unreachable,
)
from outlive_client.events import (
    Event,
    PartEvent,
    RunEvent,
    SettledEvent,
    StepEvent,
    TextEvent,
    ToolCallEvent,
    ToolResultEvent,
    Window,
)
from outlive_client.fold import MessageFold, message_of
from outlive_client.views import (
    Budget,
    Latest,
    Message,
    MessageMetadata,
    MessageStatus,
    Run,
    RunError,
    Snapshot,
    Started,
    Status,
    Stopped,
    Ticket,
    Usage,
)

__all__ = [
    "AsyncOutlive",
    "BadAnswer",
    "Budget",
    "ChatNotFound",
    "Event",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidRequest",
    "Latest",
    "Message",
    "MessageFold",
    "MessageMetadata",
    "MessageStatus",
    "ModelNotConfigured",
    "Outlive",
    "OutliveError",
    "PartEvent",
    "Problem",
    "PromptTooLong",
    "ReadFailed",
    "Run",
    "RunAlreadyActive",
    "RunError",
    "RunEvent",
    "RunNotFound",
    "RunsDisabled",
    "SettledEvent",
    "Snapshot",
    "StartFailed",
    "Started",
    "Status",
    "StepEvent",
    "StopFailed",
    "Stopped",
    "TextEvent",
    "Ticket",
    "TicketExpired",
    "ToolCallEvent",
    "ToolResultEvent",
    "Unauthorized",
    "Unreachable",
    "Usage",
    "Window",
    "message_of",
]
