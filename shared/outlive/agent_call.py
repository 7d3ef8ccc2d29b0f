"""Calling the agent for one step, while its lease is extended and its live text is written."""

from dataclasses import dataclass
from typing import Any

from outlive.agent import Ask, Interrupt, Outcome
from outlive.chat_files import ChatFiles
from outlive.delivery import Delivery
from outlive.follow.live import LiveLog
from outlive.follow.passages import Call, Words
from outlive.history import History
from outlive.store.rows import Run
from outlive.watch import Watch
from outlive.workbench import Workbench


@dataclass(frozen=True, slots=True)
class AgentCall:
    """One call of the agent for the claimed step of `run`."""

    tools: Workbench
    delivery: Delivery
    run: Run
    text_only: bool

    def outcome(self, history: History, streamed: list[Words], interrupt: Interrupt) -> Outcome:
        """Call the agent and return the outcome of the step. Its text is added to `streamed` as it comes; `interrupt`
        ends it early.
        """
        tools, run = self.tools, self.run
        live = LiveLog(run, tools.table.put_live_piece, tools.clock) if tools.settings.live_text else None
        watch = Watch(tools.table, tools.queue, tools.clock, tools.settings, run, self.delivery, interrupt, live)

        def show(passage: Words | Call) -> None:
            if isinstance(passage, Words):
                streamed.append(passage)
            if live is not None:
                live.show(passage)

        ask = self._ask(history, watch.seconds_left)
        with tools.watching(watch):
            return tools.agent(ask, show, interrupt)

    def _ask(self, history: History, seconds: float) -> Ask:
        run = self.run
        return Ask(
            workspace_id=run.workspace_id,
            chat_id=run.chat_id,
            run_id=run.id,
            step=run.claimed_step,
            attempt=run.attempt,
            history=history.turns,
            text_only=self.text_only,
            seconds=seconds,
            agent=run.agent,
            user=run.owner,
            metadata=run.metadata or {},
            claims=run.claims or {},
            prompt_caching=self.tools.settings.prompt_caching,
            files=ChatFiles(self.tools.bucket, self.tools.clock, run.workspace_id, run.chat_id, run.owner),
            **_answered(history),
        )


def _answered(history: History) -> dict[str, Any]:
    """The calls that the newest step asked about, and how they were answered; nothing if it asked about none."""
    if not history.was_asked:
        return {}
    last = history.records[-1]
    answers = [answer for answer in history.answers if answer.step == last.step]
    return {
        "asked": last.body.asked,
        "decisions": {answer.tool_call_id: answer.decision for answer in answers},
        "answered_by": {answer.tool_call_id: answer.answered_by for answer in answers},
    }
