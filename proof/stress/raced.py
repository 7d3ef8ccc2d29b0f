"""The operations that race, put together for one engine."""

import os
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from outlive.agent import Ask, Interrupt, Outcome, Usage
from outlive.caller import Caller
from outlive.clock import SECOND, Clock
from outlive.delivery import Delivery
from outlive.errors import Overtaken, RunAlreadyActive
from outlive.follow.passages import Words
from outlive.guards import Facts
from outlive.lifecycle import STOP, SUCCEED
from outlive.log import logger
from outlive.request import OnBusy, StartRequest
from outlive.settings import Settings
from outlive.settle import End, Log, Settler
from outlive.start import Start
from outlive.step import Step
from outlive.stop import Stop
from outlive.store.body import Body, pack
from outlive.store.queue import Queue
from outlive.store.row import Row
from outlive.store.rows import Chat, Record, Run
from outlive.store.table import Table
from outlive.wiring import between, table_of
from outlive.workbench import Workbench
from proof.engines.engines import TABLE


class NoQueue:
    """Takes every message and delivers none: the racers bring their own."""

    def send_message(self, **request: Any) -> Any: ...
    def change_message_visibility(self, **request: Any) -> Any: ...
    def get_queue_attributes(self, **request: Any) -> Any:
        """Nothing waits."""
        return {"Attributes": dict.fromkeys(request["AttributeNames"], "0")}


@dataclass
class Wired:
    """The operations on one engine; `codes` counts the engine's refusals and errors by code."""

    endpoint: str
    codes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        os.environ |= {
            "AWS_ENDPOINT_URL_DYNAMODB": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        Row._connection = None
        # Every racer has a connection of its own, so that they meet at the engine and not here.
        Row.Meta.max_pool_connections = THREADS + 1  # type: ignore[attr-defined]
        # Who wins is the question here, and not how long a busy machine takes to say so.
        Row.Meta.connect_timeout_seconds = Row.Meta.read_timeout_seconds = 120
        self.settings = Settings(table_name=TABLE, queue_url="none", agent_model="offline")
        self.table: Table = table_of(self.settings)
        self.clock, self.queue = Clock(), Queue(NoQueue(), "none")
        self.client = Row._get_connection().connection.client
        self._real = self.client._make_api_call
        self.client._make_api_call = self._counted
        logger.setLevel("CRITICAL")

    def _counted(self, operation: str, request: dict[str, Any]) -> Any:
        try:
            return self._real(operation, request)
        except ClientError as error:
            reasons: list[Any] = error.response.get("CancellationReasons") or []  # type: ignore[assignment]
            codes = {reason["Code"] for reason in reasons} - {"None"} or {error.response["Error"]["Code"]}
            self.codes.update("refused" if code.startswith("ConditionalCheckFailed") else code for code in codes)
            raise

    # --- the operations ---

    def start(self, chat: str) -> tuple[str | None, str]:
        """The id of the run that was started; None if the chat was busy, and with which run."""
        operation = Start(self.table, self.queue, self.clock, new_id, self.settings, lambda: 1.0)
        request = StartRequest(chat, "hello", 3, {}, None, None, OnBusy.REJECT, None, {"prompt": "hello"})
        try:
            return operation.run(Caller(WORKSPACE, USER), request).run.id, ""
        except RunAlreadyActive as busy:
            return None, busy.fields["active_run_id"]

    def stop(self, run_id: str) -> bool:
        """Whether this stop took effect."""
        return (
            Stop(self.table, self.queue, self.clock, new_id, self.settings)
            .of_run(Caller(WORKSPACE, USER), run_id)
            .stopped
        )

    def step(self, run_id: str) -> bool:
        """True if this worker called the model."""
        asks = []

        def agent(ask: Ask, say: Callable[[Words], None], interrupt: Interrupt) -> Outcome:
            asks.append(ask)
            return Outcome("final", [{"type": "text", "text": "hello yourself"}], "[]", Usage(1, 1, 1), "stop")

        tools = Workbench(self.table, self.queue, agent, self.clock, self.settings, nullcontext, between)  # type: ignore[arg-type]
        worker = Step(tools, new_id)
        now = self.clock.now()
        worker.run(Delivery(WORKSPACE, run_id, 0, "none", now + 300 * SECOND, now))
        return bool(asks)

    def settle(self, run_id: str, final: bool) -> str | None:
        """The id by which this settler ended the run, None if another one did: a worker's end, or a stop's."""
        run = self.table.run(WORKSPACE, run_id)
        assert run is not None
        own_id = new_id()
        facts = Facts(self.clock.now(), user=USER)
        log = Log.upto(self.table.last_record(run))
        try:
            end = End(SUCCEED if final else STOP, facts, own_id)
            done = Settler(self.table, self.queue, self.clock, self.settings).end(run, end, log)
        except Overtaken:
            return None
        return own_id if done.by_me else None

    # --- looking ---

    def answered_run(self, chat: str) -> str:
        """A run whose worker stored its answer and died; its lease is over."""
        run_id, _ = self.start(chat)
        assert run_id is not None
        now = self.clock.now()
        key = Run(Run.key(WORKSPACE, run_id), Run.SK)
        run = self.table.claim(key, 0, new_id(), now - 1, now - 2)
        self.table.record(
            run,
            Record(
                run.chat_pk, Record.sort_key(run.assistant_seq, 0), run_id=run_id, step=0, kind="final",
                packed=pack(Body([{"type": "text", "text": "hello yourself"}])), size=40, usage=Usage(1, 1, 1),
                finish_reason="stop", created_at=now,
            ),
        )  # fmt: skip
        return run_id

    def rows(self, chat: str) -> list[dict[str, Any]]:
        """All rows of the chat and its runs, as the engine has them."""
        pk = Chat.key(WORKSPACE, chat)
        listed: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            page = self.client.query(
                TableName=TABLE, ConsistentRead=True, KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}}, ReturnConsumedCapacity="TOTAL", **more,
            )  # fmt: skip
            listed += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        runs = {item["run_id"]["S"] for item in listed if "run_id" in item}
        for run_id in sorted(runs):
            key = {"pk": {"S": Run.key(WORKSPACE, run_id)}, "sk": {"S": Run.SK}}
            answer = self.client.get_item(TableName=TABLE, Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
            listed += [answer["Item"]] if "Item" in answer else []
        return listed


def new_id() -> str:
    return uuid.uuid4().hex


THREADS: Final = 32
WORKSPACE, USER = "acme", "ada"
