"""The console in a real browser, on the deployed stack."""

import json
import time
import uuid

import pytest

from local.identity import TOKEN_SECONDS
from proof.stacks.deployed import Stack, until

from . import browser
from .browser import DESKTOP, PHONE, axe, chat_of, run_in, said, send
from .runs import ask, begin, ended, held, new_chat, script, transcript

WORDS = " ".join(f"word{number:03}" for number in range(240))
LIVE = "article .prose:has-text('word003')"


@pytest.fixture
def gate() -> str:
    """The name that a run of this test waits for in mid-stream."""
    return f"gate-{uuid.uuid4().hex}"


def is_whole(stack: Stack, page, text: str = WORDS) -> None:
    """The text of the chat's one run is complete and shown once, on the page and in the store."""
    run = run_in(page, "succeeded")
    assert said(run) == text
    assert page.locator("article").count() == 1
    asked, answered = transcript(stack, chat_of(page))
    assert (answered["content"], run.locator(".prompt").text_content()) == (text, asked["content"])


# --- watching


def test_closed_and_reopened_in_mid_run_it_goes_on_and_nothing_is_doubled(ada, stack, gate):
    """[8] [29] [47] The reopened page shows the text so far once, and the rest live."""
    first = ada.open()
    send(first, script(held(WORDS, gate)))
    first.wait_for_selector(LIVE)
    before, chat = said(run_in(first, "running")), chat_of(first)
    first.close()
    page = ada.open(chat)
    page.wait_for_selector(LIVE)
    after = said(run_in(page, "running"))
    assert WORDS.startswith(before)
    assert WORDS.startswith(after)
    assert len(before) <= len(after) < len(WORDS)
    stack.release(gate)
    is_whole(stack, page)


def test_a_reload_in_mid_run_changes_nothing(ada, stack, gate):
    page = ada.open()
    send(page, script(held(WORDS, gate)))
    page.wait_for_selector(LIVE)
    before = said(run_in(page, "running"))
    page.reload()
    page.wait_for_selector(LIVE)
    assert said(run_in(page)).startswith(before)
    stack.release(gate)
    is_whole(stack, page)


def test_two_devices_show_the_same(visitor, stack, gate):
    """[47] Two devices that open the chat in mid-stream end with the same text."""
    one, other = visitor().open(), visitor(**PHONE)
    send(one, script(held(WORDS, gate)))
    one.wait_for_selector(LIVE)
    two = other.open(chat_of(one))
    two.wait_for_selector(LIVE)
    for page in (one, two):
        assert WORDS.startswith(said(run_in(page)))
    stack.release(gate)
    is_whole(stack, one)
    is_whole(stack, two)
    assert run_in(one).text_content() == run_in(two).text_content()


def test_a_tab_hears_of_what_another_one_of_the_same_browser_starts(ada, chat):
    idle, busy = ada.open(chat), ada.open(chat)
    send(busy, "hello")
    run_in(busy, "succeeded")
    run_in(idle, "succeeded")
    assert said(run_in(idle)) == said(run_in(busy))


def test_a_tool_is_shown_at_work_and_then_with_its_result(ada):
    """A page that is too late to see a short one at work sees a longer one."""
    page = ada.open()
    card = page.locator(".tool")
    for longer, seconds in enumerate((4, 20, 120)):
        send(page, script({"text": "A moment.", "tools": [["wait", {"seconds": seconds}]]}, {"text": "There."}))
        card.nth(longer).wait_for(state="attached")
        shown = card.nth(longer).get_attribute("data-state")
        page.wait_for_function("n => document.querySelectorAll('.tool')[n].dataset.state === 'done'", arg=longer)
        run_in(page, "succeeded")
        assert card.count() == longer + 1
        if shown == "running":
            break
    assert shown == "running"
    card = card.last
    card.locator("summary").click()
    assert "Waited" in card.locator("pre").nth(1).text_content()


def test_a_tool_that_fails_says_so_and_the_run_goes_on(ada):
    page = ada.open()
    send(page, script({"text": "Dividing.", "tools": [["calculate", {"expression": "1/0"}]]}, {"text": "Well."}))
    run_in(page, "succeeded")
    assert page.locator(".tool[data-state=error]").count() == 1


def test_reasoning_is_folded_away(ada):
    page = ada.open()
    send(page, script({"reasoning": "Hm, a greeting.", "text": "Hello."}))
    run = run_in(page, "succeeded")
    thought = run.locator(".thought")
    assert (thought.text_content(), thought.is_visible()) == ("Hm, a greeting.", False)
    run.locator(".reasoning summary").press("Enter")
    assert thought.is_visible()


def test_a_lost_connection_is_shown_and_restored(ada, stack, gate):
    page = ada.open()
    send(page, script(held(WORDS, gate)))
    page.wait_for_selector(LIVE)
    ada.context.set_offline(offline=True)
    page.wait_for_selector("#link:has-text('Offline')")
    ada.context.set_offline(offline=False)
    page.wait_for_selector("#link:not(:has-text('Offline'))", state="attached")
    stack.release(gate)
    is_whole(stack, page)
    assert page.locator("#link").text_content() == ""


def test_the_timeline_has_the_queue_and_every_step(ada, stack):
    run = begin(stack, {"text": "one", "tools": [["clock", {}]]}, {"text": "two"})
    ended(stack, run)
    page = ada.open(run["chat_id"])
    page.wait_for_selector(".timeline li:nth-child(3)")
    assert page.locator(".timeline .what").all_text_contents() == ["Queue", "Step 1", "Step 2"]
    assert page.locator(".timeline .about").nth(1).text_content() == "clock"


# --- how a run ends


def test_a_stop_in_mid_stream_keeps_the_text_on_the_page(ada, stack):
    """[31] The page shows an aborted answer with the text that was streamed and stored before the stop."""
    page = ada.open()
    send(page, script({"text": WORDS, "seconds": 300}))
    page.wait_for_selector(LIVE)
    page.locator("#stop").click()
    run = run_in(page, "aborted")
    assert "Stopped" in run.locator(".notice").text_content()
    kept = transcript(stack, chat_of(page))[1]
    assert (kept["status"], kept["content"]) == ("aborted", said(run))
    assert WORDS.startswith(said(run))
    assert 0 < len(said(run)) < len(WORDS)
    page.locator("#send").wait_for()


def test_a_stop_says_that_it_is_stopping(ada):
    page = ada.open()
    send(page, script({"text": "Now.", "tools": [["wait", {"seconds": 120}]]}))
    run_in(page, "running")
    held = []
    page.route("**/stop", lambda route: held.append(route))  # noqa: PLW0108  # it is given attributes
    page.locator("#stop").press("Enter")
    page.wait_for_selector("#stop:has-text('Stopping…')")
    assert page.locator("#stop").get_attribute("aria-disabled") == "true"
    held[0].continue_()
    run_in(page, "aborted")


def test_a_run_that_failed_says_why(ada):
    page = ada.open()
    send(page, script({"error": "permanent"}))
    notice = run_in(page, "failed").locator(".notice")
    assert "This run failed" in notice.text_content()
    assert "model_rejected" in notice.text_content()
    assert "the script asks for a permanent error" in notice.text_content()


def test_a_structured_output_is_shown_as_formatted_json(ada, chat):
    """The same while the run is followed and when its message is read again."""
    output = {"name": "Ulm", "people": [7, 8]}
    part = {"type": "data-output", "data": output}

    def with_output(route):
        answer = route.fetch()
        body = answer.json() if answer.status == 200 else {}
        for message in body.get("messages", [body.get("message") or {}]):
            if message.get("role") == "assistant" and message["parts"]:
                message["parts"].append(part)
        events = body.get("events", [])
        for index, event in enumerate(events):
            if event["type"] == "step" and event["state"] == "finished":
                events.insert(
                    index, {"type": "part", "id": event["id"], "at": event["at"], "step": event["step"], "part": part}
                )
                break
        return route.fulfill(response=answer, json=body) if body else route.fulfill(response=answer)

    page = ada.open(chat)
    page.wait_for_selector("#empty h2")
    page.route("**/runs/*/events*", with_output)
    page.route("**/chats/*/messages*", with_output)
    page.route("**/chats/*/run", with_output)
    send(page, script({"text": "Here it is."}))
    for again in (False, True):
        if again:
            page.reload()
        shown = run_in(page, "succeeded").locator(".output pre")
        shown.wait_for()
        assert shown.text_content() == json.dumps(output, indent=2)


# --- sending


def test_a_busy_chat_is_already_running_and_can_be_watched(ada, stack, chat, gate):
    """[7] The prompt that was refused stays in its field."""
    page = ada.open(chat)
    page.wait_for_selector("#empty h2")
    assert ask(stack, chat, held(WORDS, gate)).status == 202
    send(page, "and another thing")
    notice = page.locator("#notice .notice")
    notice.wait_for()
    assert "Already running" in notice.text_content()
    notice.get_by_role("button", name="Watch it").click()
    page.wait_for_selector(LIVE)
    assert page.locator("#prompt").input_value() == "and another thing"
    stack.release(gate)
    is_whole(stack, page)


def test_a_start_whose_answer_is_lost_makes_one_run(ada, stack):
    page = ada.open()
    lost = []

    def lose(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        return route.abort()

    page.route("**/chats/*/runs", lose)
    send(page, "hello")
    run_in(page, "succeeded")
    assert lost == [202]
    runs = stack.call("GET", f"/chats/{chat_of(page)}/runs").body["runs"]
    assert len(runs) == 1
    assert page.locator("#prompt").input_value() == ""


def test_a_start_whose_answer_never_came_is_found_after_a_reload(ada, stack):
    """The draft of a prompt that was accepted after all is not offered again."""
    page = ada.open()
    reached = []

    def swallow(route):
        reached.append(route.fetch().status)
        route.abort()

    page.route("**/chats/*/runs", swallow)
    send(page, "hello")
    page.wait_for_selector("#notice:has-text('Not sent')")
    assert page.locator("#prompt").input_value() == "hello"
    page.unroute("**/chats/*/runs")
    page.reload()
    run_in(page, "succeeded")
    until(lambda: page.locator("#prompt").input_value() == "")
    assert set(reached) == {202}
    assert len(stack.call("GET", f"/chats/{chat_of(page)}/runs").body["runs"]) == 1


def test_a_prompt_sent_again_by_hand_is_still_one_run(ada, stack):
    page = ada.open()
    page.route("**/chats/*/runs", lambda route: (route.fetch(), route.abort()))
    send(page, "hello")
    page.wait_for_selector("#notice:has-text('Not sent')")
    page.unroute("**/chats/*/runs")
    page.get_by_role("button", name="Send again").click()
    run_in(page, "succeeded")
    assert len(stack.call("GET", f"/chats/{chat_of(page)}/runs").body["runs"]) == 1


def test_what_is_being_written_survives_a_reload(ada, chat):
    page = ada.open(chat)
    page.locator("#prompt").fill("half a thou")
    page.reload()
    page.wait_for_selector("#empty h2")
    assert page.locator("#prompt").input_value() == "half a thou"


# --- the token


def test_a_token_in_the_address_is_taken_out_and_stays_in_the_tab(ada, stack):
    page = ada.open("some-chat")
    page.wait_for_selector("#empty h2")
    token = stack.token()
    assert page.url == ada.address("some-chat", None)
    kept = page.evaluate("[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie]")
    assert [token in one for one in kept] == [True, False, False]


def test_a_token_that_expires_can_be_replaced_in_mid_run_without_losing_anything(ada, stack, gate):
    """The browser's clock is put forward, so that the page takes its token for expired."""
    ada.context.clock.install()
    page = ada.open()
    send(page, script(held(WORDS, gate)))
    run_in(page)
    page.locator("#prompt").fill("a draft")
    ada.context.clock.fast_forward(1000 * TOKEN_SECONDS)
    page.wait_for_selector("#token-form >> text=It has expired")
    page.locator("#token").fill(stack.token(exp=int(time.time()) + 3 * TOKEN_SECONDS))
    page.get_by_role("button", name="Use this token").click()
    stack.release(gate)
    is_whole(stack, page)
    assert page.locator("#prompt").input_value() == "a draft"
    assert page.locator("#token-form").is_hidden()


def test_the_page_asks_for_another_token_after_the_gateway_refused_one(ada, stack):
    head, _, signature = stack.token().split(".")
    _, claims, _ = stack.token(user="grace").split(".")
    page = ada.open("some-chat", token=f"{head}.{claims}.{signature}")
    page.wait_for_selector("#token-form >> text=It was refused")
    page.locator("#token").fill("not.a-token")
    page.get_by_role("button", name="Use this token").click()
    page.wait_for_selector("#token-wrong:has-text('not a token')")
    page.locator("#token").fill(stack.token())
    page.get_by_role("button", name="Use this token").click()
    page.wait_for_selector("#empty h2")


def test_without_a_token_there_is_nothing_but_the_question_for_one(ada, stack):
    page = ada.open(token=None)
    page.wait_for_selector("#token-form")
    assert page.locator("#composer").is_hidden()
    page.locator("#token").fill(f"Bearer {stack.token()}")
    page.locator("#token").press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#empty h2")
    page.wait_for_selector("#prompt:focus")


def test_another_user_of_the_same_browser_finds_nothing_of_the_first(ada, stack):
    """[48] With another user's token, the same page and browser show nothing of the first user's chat."""
    page = ada.open()
    send(page, "a secret of ada")
    run_in(page, "succeeded")
    chat = chat_of(page)
    other = ada.open(chat, token=stack.token(user="grace"))
    other.wait_for_selector("#empty h2")
    assert "secret" not in other.locator("body").inner_text()
    assert other.locator("article").count() == 0


# --- the transcript


def test_a_long_chat_opens_at_its_end_and_leads_back_to_its_beginning(ada, stack, chat):
    """Pages of four messages here: the list begins at the oldest, and a chat new to this device is walked through
    once."""
    for number in range(7):
        ended(stack, begin(stack, {"text": f"answer {number}"}, chat=chat))
    ada.context.route(
        "**/messages?limit=20*", lambda route: route.continue_(url=route.request.url.replace("limit=20", "limit=4"))
    )
    first = ada.open(chat)
    first.wait_for_selector("article:has-text('answer 6')")
    page = ada.open(chat)
    for opened in (first, page):
        # The runs are read last.
        opened.wait_for_selector("#runs li:nth-child(7)")
        assert opened.locator("#earlier").is_visible()
        while (count := opened.locator("article").count()) < 7:
            opened.locator("#earlier").click()
            until(opened.locator("article").count, lambda now, before=count: now > before)
        assert [said(run) for run in opened.locator("article").all()] == [f"answer {number}" for number in range(7)]
        assert opened.locator("#earlier").is_hidden()


def test_text_is_never_read_as_markup(ada):
    """Markup from a model or a user is shown as text and never becomes part of the page."""
    evil = '<img src=x onerror="document.title=1"><script>document.title=2</script> [x](javascript:alert(1)) **b**'
    page = ada.open()
    send(page, script({"text": evil, "tools": [["calculate", {"expression": evil}]]}, {"text": evil}))
    run = run_in(page, "succeeded")
    assert said(run).count("<img src=x") == 2
    assert run.locator("img, script, a").count() == 0
    assert run.locator("strong").count() == 2
    assert "Outlive" in page.title()


def test_a_chat_can_be_left_found_again_and_forgotten(ada):
    page = ada.open()
    send(page, "the first chat")
    run_in(page, "succeeded")
    page.locator("#new").click()
    page.wait_for_selector("#empty h2")
    page.get_by_role("link", name="the first chat").click()
    run_in(page, "succeeded")
    page.get_by_role("button", name="Forget the first chat on this device").press("Enter")
    page.wait_for_selector("#empty h2")
    assert page.locator("#chat-list li").count() == 0


# --- for everyone


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_nothing_serious(visitor, stack, device, scheme):
    """In every state of the console: asking for a token, empty, at work, failed, stopped, refused, with its sheets
    open."""
    who = visitor(**(PHONE if device == "phone" else DESKTOP), color_scheme=scheme)
    page = who.open(token=None)
    page.wait_for_selector("#token-form")
    found = axe(page)
    page = who.open()
    page.wait_for_selector("#empty h2")
    found += axe(page)
    send(page, script({"reasoning": "Hm.", "text": "# One\n`two`", "tools": [["clock", {}]]}, {"error": "permanent"}))
    run_in(page, "failed")
    page.locator("summary").first.click()
    page.locator(".tool summary").click()
    found += axe(page)
    send(page, script({"text": "…", "tools": [["wait", {"seconds": 120}]]}))
    run_in(page, "running", 1)
    found += axe(page)
    page.locator("#stop").click()
    run_in(page, "aborted", 1)
    for name in ("chats", "run"):
        if page.locator(f"#open-{name}").is_visible():
            page.locator(f"#open-{name}").click()
            page.wait_for_selector(f"#{name} .close:focus")
            found += axe(page)
            page.keyboard.press("Escape")
    ask(stack, chat_of(page), {"text": "…", "tools": [["wait", {"seconds": 120}]]})
    send(page, "busy?")
    page.wait_for_selector("#notice .notice")
    found += axe(page)
    assert found == []
    stack.call("POST", f"/chats/{chat_of(page)}/stop")


def test_it_works_with_the_keyboard_alone(visitor):
    """From the first Tab to a stopped run; on a narrow page its sheets give the focus back."""
    page = visitor(viewport={"width": 700, "height": 800}).open()
    page.wait_for_selector("#empty h2")
    page.keyboard.press("Tab")
    page.wait_for_selector("#skip:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("#prompt:focus")
    page.keyboard.type(script({"text": "Now.", "tools": [["wait", {"seconds": 120}]]}))
    page.keyboard.press("Enter")
    run_in(page, "running")
    page.wait_for_selector("#prompt:focus")
    page.keyboard.press("Tab")
    page.wait_for_selector("#stop:focus")
    page.keyboard.press("Enter")
    run_in(page, "aborted")
    page.locator("#open-run").press("Enter")
    page.wait_for_selector("#run :focus")
    page.keyboard.press("Escape")
    page.wait_for_selector("#open-run:focus")


def test_a_screen_reader_hears_of_the_ends_of_things_and_not_of_every_word(ada):
    page = ada.open()
    page.wait_for_selector("#empty h2")
    page.evaluate(
        """() => {
            window.heard = [];
            const live = document.querySelectorAll('[role=status], [role=alert], [aria-live], [role=log]');
            const note = (all) => all.forEach((one) => window.heard.push(one.target.textContent));
            live.forEach((one) => new MutationObserver(note).observe(one, {childList: true, characterData: true, subtree: true}));
        }"""
    )
    send(page, script({"text": WORDS, "seconds": 3}))
    run_in(page, "succeeded")
    until(lambda: page.evaluate("window.heard.at(-1)?.includes('ended')"))
    assert page.evaluate("window.heard") == ["The run is accepted.", "The run has ended: succeeded."]


def test_a_run_that_goes_on_does_not_take_the_focus(ada, stack, gate):
    """Redrawing a message with every word leaves the focus and the rest of the page alone."""
    page = ada.open()
    send(page, "the first chat")
    run_in(page, "succeeded")
    send(page, script(held(WORDS, gate)))
    page.wait_for_selector(LIVE)
    link = page.get_by_role("link", name="the first chat")
    link.focus()
    page.locator("#runs button").first.evaluate("button => { window.row = button; }")
    stack.release(gate)
    run_in(page, "succeeded", 1)
    assert link.evaluate("link => link === document.activeElement")
    assert page.locator("#runs button").first.evaluate("button => button === window.row")


def test_signs_that_mean_nothing_are_shown_as_they_are(ada):
    page = ada.open()
    signs = "[" * 9_000 + " ** * ` | ~~ &lt; \\ [x] (y) a_b_c 2 ** 3"
    send(page, script({"text": signs}))
    assert said(run_in(page, "succeeded")) == signs


def test_the_console_asks_for_documented_calls_alone(ada, stack):
    """It talks to the public API and needs nothing else."""
    asked = set()
    ada.context.on("request", lambda request: asked.add((request.method, request.url.partition("?")[0])))
    page = ada.open()
    send(page, "hello")
    run = run_in(page, "succeeded").get_attribute("data-run")
    page.wait_for_selector(".timeline li:nth-child(2)")
    chat = chat_of(page)
    document = json.loads((browser.pictures() / "openapi.json").read_text())
    known = {
        (method.upper(), f"{stack.url}{path}".replace("{chat_id}", chat).replace("{run_id}", str(run)))
        for path, methods in document["paths"].items()
        for method in methods
    }
    files = {one for one in asked if one[1].startswith(f"{stack.url}/console")}
    assert asked - files
    assert asked - files - known == set()


def test_a_chat_that_does_not_exist_looks_like_a_new_chat(ada):
    page = ada.open(new_chat())
    page.wait_for_selector("#empty h2")
    assert page.locator("article").count() == 0
