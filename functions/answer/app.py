"""POST /runs/{run_id}/answers: answers calls that a run waits for."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from outlive.access import is_own
from outlive.answer import ANSWER_PROBLEMS, Answers
from outlive.caller import Caller
from outlive.clock import Clock
from outlive.http import Api, answer
from outlive.request import RunId, check_answers
from outlive.views import view_asking_run, view_run
from outlive.wiring import queue_of, settings_of, table_of

settings = settings_of("QUEUE_URL")
api = Api(settings.workspace_claim, approver_claim=settings.approver_claim)
answers = Answers(table_of(settings), queue_of(settings), Clock(), settings)


@api.post("/runs/<run_id>/answers", problems=ANSWER_PROBLEMS)
def answer_calls(caller: Caller, run_id: RunId) -> Response[str]:
    """Answer calls that the run waits for."""
    decisions, step = check_answers(api.body)
    answered = answers.run(caller, run_id, decisions, step)
    view = view_run if is_own(answered.run, caller) else view_asking_run
    return answer({"run": view(answered.run, answered.last)})


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What the platform calls."""
    return api.handle(event, context)
