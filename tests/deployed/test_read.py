"""Reads over HTTP: complete at any size, in pages without a gap."""

import copy
import gzip
import json
import urllib.request

import pytest

from proof.stacks.deployed import PATIENCE

from .runs import begin, ended, held, new_chat, outcome, seen, shape, stop, transcript

LAMBDA_ANSWER = 6_291_556
"""Bytes a function may answer with. The local AWS lets more pass."""
STEP = 300_000
WORDS = 'съешь ещё этих мягких "французских" булок, да\tвыпей чаю \\ '
SAYS = {"text": WORDS, "repeat": STEP // len(WORDS.encode())}


def big(steps):
    """A run of so many steps of 300 KB each, and an answer of 300 KB."""
    return [SAYS | {"tools": [["calculate", {"expression": str(n)}]]} for n in range(steps)] + [SAYS]


def raw(stack, path, **headers):
    """The answer as it goes over the wire: status, headers, bytes."""
    request = urllib.request.Request(stack.url + path, headers={"Authorization": f"Bearer {stack.token()}"} | headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as got:
        return got.status, got.headers, got.read()


@pytest.mark.together
def test_steps_of_300_kb_are_read_back_whole(stack):
    """[27] [46] By run, by chat and in the list, compressed or not."""
    run = begin(stack, *big(2))
    done = ended(stack, run)
    said = WORDS * (STEP // len(WORDS.encode()))
    assert outcome(done["run"]) == ("succeeded", "stop", None)
    assert done["message"]["content"] == said * 3
    assert "".join(part["text"] for part in done["message"]["parts"] if part["type"] == "text") == said * 3
    for path in (f"/runs/{run['id']}", f"/chats/{run['chat_id']}/run", f"/chats/{run['chat_id']}/messages"):
        status, headers, body = raw(stack, path)
        assert (status, headers["Content-Encoding"]) == (200, None)
        plain = json.loads(body)
        message = plain["message"] if "message" in plain else plain["messages"][1]
        assert message == done["message"]
        status, headers, body = raw(stack, path, **{"Accept-Encoding": "gzip"})
        assert status == 200
        unpacked = gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body
        assert json.loads(unpacked) == plain


@pytest.mark.together
def test_a_run_that_grows_too_large_fails_and_can_still_be_read(stack):
    """[27] The step that would pass 4 MB settles `failed`, and its earlier text is readable. No answer is larger than a
    function may give, in the form it gives it: a text in JSON, or base64."""
    chat = new_chat()
    run = begin(stack, *big(18), chat=chat)
    done = ended(stack, run)
    assert outcome(done["run"]) == ("failed", "error", "run_too_large")
    steps = done["run"]["step_count"]
    text = "".join(part.get("text", "") for part in done["message"]["parts"])
    assert text == WORDS * (STEP // len(WORDS.encode())) * steps
    assert (done["message"]["content"], done["message"]["content_omitted"]) == ("", True)
    assert len(json.dumps(done["message"]["parts"], ensure_ascii=False).encode()) < 4_000_000
    for path in (f"/runs/{run['id']}", f"/chats/{chat}/run", f"/chats/{chat}/messages"):
        for encoding in ("gzip", "identity"):
            status, headers, body = raw(stack, path, **{"Accept-Encoding": encoding})
            assert (status, carried(headers, body) < LAMBDA_ANSWER) == (200, True)
    after = ended(stack, begin(stack, {"text": "next"}, chat=chat))
    assert outcome(after["run"]) == ("succeeded", "stop", None)
    said = transcript(stack, chat)
    assert shape(said)[1::2] == [("assistant", "error"), ("assistant", "completed")]
    assert said[1] == done["message"]


def carried(headers, body):
    """How many bytes the answer takes between function and platform."""
    return (
        len(body) * 4 // 3
        if headers["Content-Encoding"]
        else len(json.dumps(body.decode(), ensure_ascii=False).encode())
    )


@pytest.mark.together
def test_who_does_not_take_gzip_gets_none_as_long_as_the_answer_can_be_carried_without(stack):
    """A client without gzip can read runs of several large steps."""
    run = begin(stack, *big(5))
    done = ended(stack, run)
    assert len(done["message"]["content"].encode()) > 5 * STEP
    for encoding in ("identity", "gzip;q=0, deflate"):
        status, headers, body = raw(stack, f"/runs/{run['id']}", **{"Accept-Encoding": encoding})
        assert (status, headers["Content-Encoding"]) == (200, None)
        assert json.loads(body) == done


@pytest.mark.together
def test_five_hundred_messages_are_paged_without_a_gap(stack):
    """[55] Pages of any size hold every message once, oldest first."""
    chat = new_chat()
    first = begin(stack, {"text": "x", "seconds": 60}, chat=chat)
    stop(stack, first)
    ended(stack, first)
    clone(stack, chat, 250)
    for limit in (100, 37):
        said = transcript(stack, chat, f"limit={limit}")
        assert len(said) == 500
        assert [message["id"] for message in said] == [f"{n}-{end}" for n in range(250) for end in ("prompt", "answer")]
    assert [message["content"] for message in said[::2]] == [f"prompt {n}" for n in range(250)]
    page = stack.call("GET", f"/chats/{chat}/messages").body
    assert (len(page["messages"]), page["cursor"] is None) == (50, False)
    whole = [stack.call("GET", f"/chats/{chat}/messages?limit=100").body]
    while whole[-1]["cursor"]:
        whole.append(stack.call("GET", f"/chats/{chat}/messages?limit=100&cursor={whole[-1]['cursor']}").body)
    assert [len(page["messages"]) for page in whole] in ([100] * 5, [100] * 5 + [0])


def clone(stack, chat, times):
    """Copy the rows of the chat's only run, so that the chat has `times` of it."""
    client, table = stack.client("dynamodb"), stack.outputs["TableName"]
    rows = {row["sk"]["S"]: row for row in stack.items(f"acme#{chat}")}
    made = []
    for n in range(times):
        for end, (seq, text) in {"prompt": (2 * n + 1, f"prompt {n}"), "answer": (2 * n + 2, None)}.items():
            row = copy.deepcopy(rows[f"MSG#{1 + (end == 'answer'):012d}"])
            row |= {"sk": {"S": f"MSG#{seq:012d}"}, "id": {"S": f"{n}-{end}"}}
            made.append(row | ({"text": {"S": text}} if text else {}))
    for at in range(0, len(made), 25):
        client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": row}} for row in made[at : at + 25]]})
    client.put_item(TableName=table, Item={**rows["CHAT"], "sequence": {"N": str(2 * times)}})


@pytest.mark.together
def test_the_runs_of_a_chat_are_listed_newest_first_in_pages(stack):
    """[55] Pages of runs, newest first, and of messages, oldest first, hold each entry once."""
    chat = new_chat()
    runs = []
    for n in range(5):
        runs.append(begin(stack, {"text": str(n)}, chat=chat))
        ended(stack, runs[-1])
    listed, cursor = [], ""
    while True:
        page = stack.call("GET", f"/chats/{chat}/runs?limit=2{cursor}").body
        listed += page["runs"]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert [run["id"] for run in listed] == [run["id"] for run in reversed(runs)]
    assert listed[0] == seen(stack, runs[-1])["run"]
    said = transcript(stack, chat, "limit=3")
    assert [message["content"] for message in said[1::2]] == [str(n) for n in range(5)]


@pytest.fixture(scope="module")
def paged(stack):
    """A chat with two runs, and a cursor of each of its lists."""
    chat = new_chat()
    for _ in range(2):
        run = begin(stack, {"text": "x"}, chat=chat)
        ended(stack, run)
    cursors = {name: stack.call("GET", f"/chats/{chat}/{name}?limit=1").body["cursor"] for name in ("runs", "messages")}
    assert all(cursors.values())
    return chat, cursors


@pytest.mark.parametrize("name", ["runs", "messages"])
@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "ten", "1e1", "%D9%A3", "9" * 30, "+5", "0x5"])
def test_a_limit_is_1_to_100(stack, name, limit):
    """[55] A `limit` that is not a number from 1 to 100 gets 422."""
    answer = stack.call("GET", f"/chats/any/{name}?limit={limit}")
    assert (answer.status, answer.body["code"], answer.body["field"]) == (422, "invalid_request", "limit")


@pytest.mark.parametrize("name", ["runs", "messages"])
def test_a_cursor_is_good_for_its_own_list_only(stack, paged, name):
    """[56] Another call, another chat, another workspace and a changed cursor get 422."""
    chat, cursors = paged
    good, other = cursors[name], cursors["messages" if name == "runs" else "runs"]
    assert stack.call("GET", f"/chats/{chat}/{name}?cursor={good}").status == 200
    tries = [
        (chat, other, "acme"), (f"{chat}x", good, "acme"), (chat, good, "elsewhere"), (chat, good[:-1], "acme"),
        (chat, good[:-2] + "zz", "acme"), (chat, "", "acme"), (chat, "%F0%9F%98%80", "acme"), (chat, "x" * 5000, "acme"),
        (chat, "eyJzZXEiOjF9", "acme"), (chat, "..", "acme"),
    ]  # fmt: skip
    for where, cursor, workspace in tries:
        answer = stack.call("GET", f"/chats/{where}/{name}?cursor={cursor}", token=stack.token(workspace))
        assert (answer.status, answer.body.get("field")) == (422, "cursor"), cursor


@pytest.mark.parametrize("chat_id", ["never", "x" * 128])
def test_an_unknown_chat_is_empty(stack, chat_id):
    """[57] A chat that never had a run reads as null and as empty lists."""
    assert stack.call("GET", f"/chats/{chat_id}/run").body == {"run": None, "message": None}
    assert stack.call("GET", f"/chats/{chat_id}/runs").body == {"runs": [], "cursor": None}
    assert stack.call("GET", f"/chats/{chat_id}/messages").body == {"messages": [], "cursor": None}


def test_a_message_that_was_deleted_is_null_and_its_run_ends_all_the_same(stack, chat):
    """[46] [59] A missing message never keeps a run from ending."""
    run = begin(stack, held("x", chat), chat=chat)
    key = {"pk": {"S": f"acme#{chat}"}, "sk": {"S": "MSG#000000000002"}}
    gone = stack.client("dynamodb").delete_item(TableName=stack.outputs["TableName"], Key=key, ReturnValues="ALL_OLD")
    assert gone["Attributes"]["role"] == {"S": "assistant"}
    assert seen(stack, run)["message"] is None
    stack.release(chat)
    done = ended(stack, run)
    assert (outcome(done["run"]), done["message"]) == (("succeeded", "stop", None), None)
    assert shape(transcript(stack, chat)) == [("user", "completed")]
    assert outcome(ended(stack, begin(stack, {"text": "next"}, chat=chat))["run"]) == ("succeeded", "stop", None)
