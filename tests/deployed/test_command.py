"""The installed command and the Python client, against the deployed template."""

import asyncio
import json
import os
import signal
import subprocess
from typing import Any

import msgspec
import pytest

from outlive_client import AsyncOutlive, Latest, Outlive, SettledEvent, message_of
from outlive_client.events import read_events
from proof.stacks.deployed import PATIENCE, ROOT, Stack
from tests.handlers.event_reader import EventReader, content_parts

from .runs import begin, held, new_chat, script, seen

COMMAND = ROOT / ".envs" / "cli" / "bin" / "outlive"
TOOLS: list[list[Any]] = [["clock", {}], ["calculate", {"expression": "6 * 7"}]]


def environment(stack: Stack, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    return {**inherited, "OUTLIVE_URL": stack.url, "OUTLIVE_TOKEN": stack.token(), "NO_PROXY": "*", **more}


def outlive(stack: Stack, *arguments: str, code: int = 0, sent: str = "", **more: str) -> str:
    """The command's standard output. The exit code must be `code`."""
    done = subprocess.run(
        [COMMAND, *arguments],
        env=environment(stack, **more),
        input=sent,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done.stdout


def outlive_json(stack: Stack, *arguments: str, code: int = 0, **more: str) -> Any:
    """The one document it prints."""
    return json.loads(outlive(stack, *arguments, "--json", code=code, **more))


def open_command(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [COMMAND, *arguments], env=environment(stack), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines_until(process: subprocess.Popen[str], kind: str, step: int = 0) -> list[dict[str, Any]]:
    """The events it prints up to the first of this kind and step."""
    assert process.stdout
    events: list[dict[str, Any]] = []
    for line in process.stdout:
        events.append(json.loads(line))
        if (events[-1]["type"], events[-1].get("step")) == (kind, step):
            return events
    return pytest.fail(f"ended without {kind}: {events} {process.communicate()}")


def rest_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The rest of its output until it ends. `communicate` would lose lines that are already buffered."""
    assert process.stdout
    assert process.stderr
    with process.stdout as out, process.stderr as err:
        rest = out.read(), err.read()
    process.wait(PATIENCE)
    return rest


def events_of_lines(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


@pytest.mark.together
def test_start_shows_a_run_to_its_end(stack):
    """Text, calls and results are shown once each and in order; the exit code is 0."""
    chat = new_chat()
    out = outlive(stack, "start", chat, script({"text": "One moment. ", "tools": TOOLS}, {"text": "There."}))
    run = stack.call("GET", f"/chats/{chat}/run").body["run"]
    clock = seen(stack, run)["message"]["parts"][2]["output"]
    assert out.splitlines() == [
        "One moment. ",
        "→ clock {}",
        '→ calculate {"expression": "6 * 7"}',
        f"← clock {clock}",
        "← calculate 42",
        "",
        "There.",
    ]


@pytest.mark.together
def test_detaching_in_a_stream_and_resuming_shows_every_event_once(stack):
    """Text is shown while its step streams, and Ctrl-C does not stop the run. A reader who resumes after the last event sees the same events
    as a reader who never left, and they make the stored message."""
    chat = new_chat()
    slowly = held("And now slowly. " * 60, chat)
    process = open_command(stack, "start", chat, script({"text": "Quickly. ", "tools": TOOLS}, slowly), "--json")
    first = lines_until(process, "text", step=1)
    process.send_signal(signal.SIGINT)
    out, err = rest_of(process)
    first += events_of_lines(out)
    run = first[0]["run"]
    assert process.returncode == 130
    assert f"detached: run {run['id']} goes on" in err
    assert f"outlive watch {run['id']} --after {first[-1]['id']}" in err
    assert f"outlive stop {run['id']}" in err
    now = seen(stack, run)["run"]
    assert (now["status"], now["step_count"], now["stop_requested_at"]) == ("running", 1, None)
    stack.release(chat)

    rest = events_of_lines(outlive(stack, "watch", run["id"], "--after", first[-1]["id"], "--json"))
    again = events_of_lines(outlive(stack, "watch", "--chat", run["chat_id"], "--json"))
    shown = seen(stack, run)
    for events in (first + rest, again):
        reader = EventReader()
        reader.take(without_nulls(events))
        assert reader.settled
        assert reader.parts == content_parts(shown["message"]["parts"])
        assert reader.run == shown["run"]
    assert outlive(stack, "watch", run["id"], "--after", again[-1]["id"]) == ""


def without_nulls(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events without empty fields."""
    return [
        {name: value for name, value in event.items() if value is not None or name in {"input", "output"}}
        for event in events
    ]


@pytest.mark.together
def test_a_second_command_stops_what_the_first_one_watches(stack):
    """The watch ends with exit code 3, and the text so far stays."""
    run = begin(stack, {"text": "Quickly. ", "tools": TOOLS}, {"text": "slow ", "repeat": 50, "seconds": 600})
    process = open_command(stack, "watch", run["id"], "--json")
    lines_until(process, "text", step=1)
    assert f"run {run['id']} will be aborted" in outlive(stack, "stop", run["id"])
    out, err = rest_of(process)
    assert (process.returncode, err) == (3, "")
    settled = events_of_lines(out)[-1]
    assert (settled["type"], settled["run"]["status"]) == ("settled", "aborted")
    assert outlive(stack, "stop", run["id"]) == f"run {run['id']} had already ended: aborted\n"
    assert outlive(stack, "watch", run["id"], code=3).startswith("Quickly. ")
    assert outlive_json(stack, "stop", "--chat", run["chat_id"], code=4) == {"stopped": False, "run": None}


@pytest.mark.together
def test_a_failed_run_is_exit_code_1_and_a_busy_chat_5(stack):
    chat = new_chat()
    failed = outlive(stack, "start", chat, script({"error": "permanent"}), "--json", code=1)
    assert events_of_lines(failed)[-1]["run"]["error"]["code"] == "model_rejected"
    run_id = outlive(stack, "start", chat, script({"text": "x", "seconds": 600}), "--detach").strip()
    done = subprocess.run(
        [COMMAND, "start", chat, "Hi"], env=environment(stack), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (5, "")
    assert f"outlive watch {run_id}" in done.stderr
    assert outlive_json(stack, "stop", "--chat", chat)["run"]["id"] == run_id


@pytest.mark.together
def test_a_run_that_waits_is_exit_code_9_and_is_answered(stack):
    """[72] [74] The rest is shown after the event at which the first command ended, or by one that stays."""
    asking = script(
        {"text": "May I? ", "tools": [["announce", {"text": "Tea"}], ["ask_user", {"question": "Which?"}]]},
        {"text": "There."},
    )
    first = events_of_lines(outlive(stack, "start", new_chat(), asking, "--json", code=9))
    assert first[-1]["waits"] is True
    run = first[0]["run"]["id"]
    stays = open_command(stack, "watch", run, "--wait")
    announce, ask_user = (call["tool_call_id"] for call in outlive_json(stack, "show", run)["run"]["asked"]["open"])
    outlive(stack, "watch", run, "--after", first[-1]["id"], code=9)
    edited = ("--approve", announce, "--input", '{"text": "Coffee"}')
    assert outlive_json(stack, "answer", run, *edited)["run"]["status"] == "waiting"
    outlive(stack, "answer", run, "--deny", announce, code=5)
    assert outlive(stack, "answer", run, "--output", ask_user, "blue") == f"run {run} goes on: outlive watch {run}\n"
    rest = events_of_lines(outlive(stack, "watch", run, "--after", first[-1]["id"], "--json"))
    message = message_of(read_events(msgspec.Raw(json.dumps(event).encode()) for event in first + rest))
    assert message.parts[2]["output"] == "Announced: Coffee"
    assert message.parts[2]["input"] == {"text": "Coffee"}
    assert (message.parts[3]["output"], message.content) == ("blue", "May I? There.")
    outlive(stack, "answer", run, *edited)
    outlive(stack, "answer", run, "--approve", "no-such-call", code=4)
    out, _ = rest_of(stays)
    assert (stays.returncode, out.splitlines()[-1]) == (0, "There.")


@pytest.mark.together
def test_the_same_key_is_the_same_run(stack):
    chat, key = new_chat(), f"key of {new_chat()}"
    first = outlive_json(stack, "start", chat, "Hi", "--key", key, "--metadata", '{"page": 1}', "--detach")
    again = outlive_json(stack, "start", chat, "Hi", "--key", key, "--metadata", '{"page": 1}', "--detach")
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["run"]["id"] == again["run"]["id"]
    assert first["run"]["metadata"] == {"page": 1}
    assert outlive(stack, "start", chat, "Ho", "--key", key, code=5) == ""


@pytest.mark.together
def test_ls_show_and_messages_agree_with_the_api(stack):
    """Their JSON is the API's, except for the line ends."""
    chat = new_chat()
    sent = script({"text": "Gr\u00fc\u00dfe \u2603 \x1b[31m", "reasoning": "Hm.", "tools": TOOLS}, {"text": "End."})
    outlive(stack, "start", chat, "-", "--max-steps", "7", sent=f"{sent}\n")
    outlive(stack, "start", chat, "Hi")
    runs = stack.call("GET", f"/chats/{chat}/runs").body["runs"]
    assert outlive_json(stack, "ls", chat) == {"runs": runs}
    assert outlive_json(stack, "ls", chat, "--limit", "1") == {"runs": runs[:1]}
    assert [line.split("\t")[:3] for line in outlive(stack, "ls", chat).splitlines()] == [
        ["RUN", "STATUS", "STEPS"],
        [runs[0]["id"], "succeeded", "2"],
        [runs[1]["id"], "succeeded", "2"],
    ]
    assert runs[1]["budget"] == {"max_steps": 7}
    assert outlive_json(stack, "show", runs[1]["id"]) == seen(stack, runs[1])
    assert outlive_json(stack, "messages", chat) == {
        "messages": stack.call("GET", f"/chats/{chat}/messages").body["messages"]
    }
    for shown in (outlive(stack, "show", runs[1]["id"]), outlive(stack, "messages", chat)):
        assert "\u2603 \\u001b[31m" in shown
        assert "\x1b" not in shown
        assert "← calculate 42" in shown


@pytest.mark.together
def test_exit_codes_of_what_can_not_be_done(stack):
    run = begin(stack, {"text": "Hi."})
    stranger = stack.token(user="eve")
    for arguments, code, more in (
        (("show", "none"), 4, {}),
        (("watch", "none"), 4, {}),
        (("watch", "--chat", new_chat()), 4, {}),
        (("stop", "none"), 4, {}),
        (("watch", run["id"]), 4, {"OUTLIVE_TOKEN": stranger}),
        (("show", run["id"]), 4, {"OUTLIVE_TOKEN": stranger}),
        (("start", run["chat_id"], "Hi"), 4, {"OUTLIVE_TOKEN": stranger}),
        (("ls", "no chat id"), 2, {}),
        (("start", new_chat(), " "), 2, {}),
        (("start", new_chat(), "x" * 32_769), 2, {}),
        (("watch", run["id"], "--after", "nonsense"), 2, {}),
        (("ls", "c"), 6, {"OUTLIVE_TOKEN": "nonsense"}),
        (("ls", "c"), 7, {"OUTLIVE_URL": f"{stack.endpoint}/nothing/here"}),
        (("ls", "c"), 7, {"OUTLIVE_URL": "http://127.0.0.1:9"}),
    ):
        assert outlive(stack, *arguments, code=code, **more) == "", arguments


@pytest.mark.together
def test_clients_follow_a_run_and_fold_it_into_its_message(stack):
    """The synchronous and the asynchronous client yield the same events, and those make the stored message."""
    run = begin(stack, {"text": "One. ", "reasoning": "Hm.", "tools": TOOLS}, {"text": "Two. ", "seconds": 2})

    async def watch_asynchronously() -> list[Any]:
        async with AsyncOutlive(stack.url, stack.token) as client:
            return [event async for event in client.watch(run["id"])]

    with Outlive(stack.url, stack.token()) as client:
        events_of_one = list(client.watch(run["id"]))
        stored = client.run(run["id"])
        assert client.latest(run["chat_id"]) == Latest(stored.run, stored.message)
        assert [one.id for one in client.runs(run["chat_id"])] == [run["id"]]
        assert [one.role for one in client.messages(run["chat_id"])] == ["user", "assistant"]
        ticket = client.ticket(run["id"])
    answer = stack.call("GET", ticket.url, token=None)
    # Its id counts what its reader was shown on the way, which hangs on when the reader came.
    assert (answer.status, answer.body["events"][-1]["type"]) == (200, "settled")
    for events in (events_of_one, asyncio.run(watch_asynchronously())):
        assert isinstance(events[-1], SettledEvent)
        folded = message_of(events)
        assert folded
        assert stored.message
        assert (folded.id, folded.run_id, folded.chat_id, folded.status) == (
            stored.message.id, stored.message.run_id, stored.message.chat_id, stored.message.status,
        )  # fmt: skip
        assert (folded.content, folded.metadata) == (stored.message.content, stored.message.metadata)
        assert content_parts(folded.parts) == content_parts(stored.message.parts)


def test_a_watch_outlives_a_killed_worker(stack):
    """The step restarts; the events make the stored message, and the exit code is that of the run."""
    chat = new_chat()
    slowly = held("And now slowly. " * 20, chat)
    run = begin(stack, {"text": "Before. ", "tools": [["clock", {}]]}, slowly, chat=chat)
    process = open_command(stack, "watch", run["id"], "--json")
    first = lines_until(process, "text", step=1)
    assert stack.kill_workers()
    first += lines_until(process, "step", step=1)
    stack.release(chat)
    out, err = rest_of(process)
    assert (process.returncode, err) == (0, "")
    reader = EventReader()
    reader.take(without_nulls(first + events_of_lines(out)))
    assert reader.voided == [1]
    assert reader.parts == content_parts(seen(stack, run)["message"]["parts"])
