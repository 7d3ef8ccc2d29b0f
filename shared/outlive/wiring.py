"""Puts the parts together once per cold start: one table, one client, one queue."""

import os
import random
import uuid
from dataclasses import replace

from botocore.config import Config

from outlive.agent_names import agent_names
from outlive.settings import Settings, read_settings
from outlive.store.answers import only_answers
from outlive.store.bucket import S3, Bucket
from outlive.store.queue import Queue
from outlive.store.row import Row
from outlive.store.table import Table

QUICK = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})

FILES = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"total_max_attempts": 2, "mode": "standard"},
    signature_version="s3v4",
    # A client that uploads has no checksum of the SDK, and the address must not ask for one.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"us_east_1_regional_endpoint": "regional"},
)


def settings_of(*needs: str) -> Settings:
    """The settings of this function. Raises SettingError."""
    return replace(read_settings(os.environ, needs=needs), agents=agent_names())


def table_of(settings: Settings) -> Table:
    """The table. All kinds of rows share its one client."""
    Row.Meta.table_name = settings.table_name
    Row.Meta.region = os.environ.get("AWS_REGION", Row.Meta.region)
    connection = Row._get_connection()  # noqa: SLF001
    # The client is made here, where it costs no request its time.
    only_answers(connection.connection.client.meta.events)
    return Table(connection, settings.retention_days)


def queue_of(settings: Settings) -> Queue:
    """The queue, on the table's session: a second one would load all of botocore's data again."""
    session = Row._get_connection().connection.session  # noqa: SLF001
    client = session.create_client("sqs", Row.Meta.region, config=QUICK)
    only_answers(client.meta.events)
    return Queue(client, settings.queue_url)


def bucket_of(settings: Settings) -> Bucket | None:
    """The bucket of files, None without one. Its client is made with the first request that has a file: no other pays for
    it.
    """
    return Bucket(_s3, settings.files_bucket) if settings.files_bucket else None


def _s3() -> S3:
    session = Row._get_connection().connection.session  # noqa: SLF001
    client: S3 = session.create_client("s3", Row.Meta.region, config=FILES)
    return client


def new_id() -> str:
    """A random id: 32 hex digits."""
    return uuid.uuid4().hex


def between(low: float, high: float) -> float:
    """A random number from `low` to `high`."""
    return random.uniform(low, high)


def jitter() -> float:
    """A random number around 1 that spreads the pauses between tries."""
    return random.uniform(0.5, 1.5)
