"""The console while a run waits for a person, in a real browser on the deployed stack."""

import json
from urllib.parse import urlsplit

import pytest

from .browser import DESKTOP, PHONE, axe, chat_of, run_in, said, send
from .runs import begin, ended, once, script, seen, stop

TEA = {"text": "Tea is at five."}
QUESTION = "Which room?"
APPROVAL = script({"text": "If you agree.", "tools": [["announce", TEA]]}, {"text": "There."})
BOTH = script({"tools": [["announce", TEA], ["ask_user", {"question": QUESTION}]]}, {"text": "There."})
ANSWERS = "**/runs/*/answers"


def asked(page, number=0):
    """The card of a call that waits for an answer, once it is there."""
    card = page.locator(".ask").nth(number)
    card.wait_for()
    return card


def press(card, name):
    card.get_by_role("button", name=name, exact=True).click()


def stored(stack, page):
    """The tool parts of the run on the page, by tool name."""
    message = seen(stack, {"id": run_in(page).get_attribute("data-run")})["message"]
    return {part["type"].removeprefix("tool-"): part for part in message["parts"] if "toolCallId" in part}


def tools(page):
    """What the page says of each call: its state."""
    return run_in(page).locator(".tool .state").all_text_contents()


def test_an_approval_is_asked_with_its_arguments_and_given(ada, stack):
    """[72] The title, the list of runs and the call say that the run waits; a reload shows the same."""
    page = ada.open()
    send(page, APPROVAL)
    assert asked(page).get_by_role("heading").text_content() == "announce needs your approval"
    assert asked(page).locator("dt, dd").all_text_contents() == ["text", "Tea is at five."]
    page.reload()
    asked(page)
    assert page.title().startswith("Waiting for an answer · ")
    page.wait_for_selector("#runs li:has-text('Waiting for an answer')")
    assert tools(page) == ["waits for an answer"]
    press(asked(page), "Approve")
    run = run_in(page, "succeeded")
    page.wait_for_selector(".tool .state:text-is('approved, done')")
    assert (said(run), page.locator(".ask").count()) == ("If you agree.There.", 0)
    assert stored(stack, page)["announce"]["output"] == "Announced: Tea is at five."
    page.reload()
    page.wait_for_selector(".tool .state:text-is('approved, done')")


def test_a_call_is_denied_with_a_reason_from_the_keyboard(ada, stack):
    """[72] The page does not take the focus when it asks; a denied call shows that it was denied, and why."""
    page = ada.open()
    send(page, APPROVAL)
    asked(page)
    page.wait_for_selector("#prompt:focus")
    page.keyboard.press("Shift+Tab")
    while not page.evaluate("document.activeElement.closest('.ask')"):
        page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.textContent") == "Deny"
    page.keyboard.press("Enter")
    page.wait_for_selector(".ask textarea:focus")
    page.keyboard.press("Escape")
    page.wait_for_selector(".ask button:focus")
    asked(page).get_by_role("button", name="Deny").press("Enter")
    page.keyboard.type("Not today.")
    page.keyboard.press("Enter")
    run_in(page, "succeeded")
    page.wait_for_selector(".tool .brief:has-text('Not today.')")
    assert tools(page) == ["denied"]
    assert stored(stack, page)["announce"]["approval"]["reason"] == "Not today."
    page.wait_for_selector("#prompt:focus")


def test_arguments_are_edited_and_checked_before_they_are_sent(ada, stack):
    """[72] Only a JSON object is sent, and the tool runs with it."""
    sent = []
    ada.context.on("request", lambda request: "/answers" in request.url and sent.append(json.loads(request.post_data)))
    page = ada.open()
    send(page, APPROVAL)
    card = asked(page)
    press(card, "Edit")
    field = card.get_by_role("textbox", name="Arguments, as JSON")
    assert json.loads(field.input_value()) == TEA
    for wrong, why in (('{"text": ', "not JSON"), ('["text"]', "must be an object")):
        field.fill(wrong)
        press(card, "Approve these")
        card.locator(f"[role=alert]:has-text('{why}')").wait_for()
    assert sent == []
    field.fill('{"text": "Tea is at six."}')
    field.press("Control+Enter")
    run_in(page, "succeeded")
    page.wait_for_selector(".tool .brief:has-text('six')")
    assert list(sent[0]["answers"].values()) == [{"approved": True, "input": {"text": "Tea is at six."}}]
    assert stored(stack, page)["announce"]["input"] == {"text": "Tea is at six."}


def test_calls_are_answered_one_by_one_and_what_is_written_stays(ada, stack):
    """[72] A question is answered in words. After an answer no button has the focus, so Enter approves nothing."""
    page = ada.open()
    send(page, BOTH)
    press(asked(page), "Deny")
    asked(page).locator("form:visible textarea").fill("half a rea")
    question = asked(page, 1)
    assert question.get_by_role("heading").text_content() == QUESTION
    press(question, "Answer")
    question.locator("[role=alert]:has-text('Write an answer')").wait_for()
    question.locator("textarea").fill("The blue one")
    question.locator("textarea").press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.ask').length === 1")
    page.wait_for_selector(".ask:focus")
    assert tools(page) == ["waits for an answer", "answered"]
    assert asked(page).locator("form:visible textarea").input_value() == "half a rea"
    asked(page).locator("form:visible").get_by_role("button", name="Deny").click()
    run_in(page, "succeeded")
    assert stored(stack, page)["ask_user"]["output"] == "The blue one"


def test_a_question_can_be_declined(ada, stack):
    page = ada.open()
    send(page, script({"tools": [["ask_user", {"question": QUESTION}]]}, {"text": "Well."}))
    press(asked(page), "Decline")
    run_in(page, "succeeded")
    assert stored(stack, page)["ask_user"]["errorText"] == "The person declined to answer."


def test_tabs_and_devices_agree(visitor):
    """[74] What one tab answers is gone from the other, on a phone as well, and all end with the same."""
    one, phone = visitor(), visitor(**PHONE)
    page = one.open()
    send(page, APPROVAL)
    asked(page)
    pages = [page, one.open(chat_of(page)), phone.open(chat_of(page))]
    for each in pages:
        asked(each)
    press(asked(pages[2]), "Approve")
    for each in pages:
        run_in(each, "succeeded")
        each.wait_for_selector(".tool .state:text-is('approved, done')")
        assert each.locator(".ask").count() == 0


def test_a_decision_that_came_too_late_says_who_decided(ada, stack):
    """[74] The first decision counts, and the page then shows it."""
    page = ada.open()
    send(page, APPROVAL)

    def decide_before(route):
        answers = {call_id: {"approved": False} for call_id in json.loads(route.request.post_data)["answers"]}
        assert stack.call("POST", urlsplit(route.request.url).path.removeprefix(urlsplit(stack.url).path), {"answers": answers}).status == 200  # fmt: skip
        route.continue_()

    card = asked(page)
    page.route(ANSWERS, decide_before)
    press(card, "Approve")
    notice = page.locator("#notice .notice")
    notice.wait_for()
    assert "Already decided" in notice.text_content()
    assert "You decided otherwise at" in notice.text_content()
    run_in(page, "succeeded")
    assert tools(page) == ["denied"]


def test_an_answer_whose_reply_is_lost_is_sent_again(ada):
    """[74] Nothing is decided twice, and the page says nothing of it."""
    page = ada.open()
    send(page, APPROVAL)
    lost = []

    def lose(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        return route.abort()

    card = asked(page)
    page.route(ANSWERS, lose)
    press(card, "Approve")
    run_in(page, "succeeded")
    assert (lost, page.locator("#notice").text_content()) == ([200], "")


def test_an_answer_that_never_arrives_can_be_given_again(ada):
    page = ada.open()
    send(page, APPROVAL)
    card = asked(page)
    page.route(ANSWERS, lambda route: route.abort())
    press(card, "Approve")
    card.locator("[role=alert]:has-text('Not sent')").wait_for()
    page.unroute(ANSWERS)
    press(card, "Approve")
    run_in(page, "succeeded")


def test_a_stop_ends_a_run_that_waits(ada):
    """[75] At once, and nothing is asked any more."""
    page = ada.open()
    send(page, APPROVAL)
    asked(page)
    page.locator("#stop").click()
    run_in(page, "aborted")
    assert page.locator(".ask").count() == 0


def test_a_run_that_waits_is_asked_about_every_ten_seconds(ada):
    """The browser's clock is moved by hand. After the answer the page reads on at once."""
    ada.context.clock.install()
    page = ada.open()
    send(page, APPROVAL)
    asked(page)
    run = run_in(page).get_attribute("data-run")
    with page.expect_response(f"**/runs/{run}"):
        ada.context.clock.fast_forward(10_000)
    ada.context.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for _ in range(3):
        requests.clear()
        with page.expect_response(f"**/runs/{run}"):
            seconds = 0
            while not requests and seconds < 60:
                ada.context.clock.run_for(1_000)
                seconds += 1
        assert seconds >= 9  # one has passed since the answer before
        assert len(requests) == 1
    ada.context.clock.resume()
    press(asked(page), "Approve")
    run_in(page, "succeeded")


def test_a_chat_that_was_left_says_that_its_run_waits(ada):
    """In the list of chats, also if the run began to wait after its chat was left; the mark goes when it was answered."""
    ada.context.clock.install()
    page = ada.open()
    send(page, script({"text": "A moment.", "tools": [["wait", {"seconds": 1}]]}, {"tools": [["announce", TEA]]}))
    run_in(page, "running")
    chat = chat_of(page)
    page.locator("#new").click()
    page.wait_for_selector("#empty h2")
    other = ada.open(chat)
    asked(other)
    ada.context.clock.fast_forward(30_000)
    page.get_by_role("link", name="A moment. (waiting for an answer)").wait_for()
    other.locator("#stop").click()
    run_in(other, "aborted")
    page.get_by_role("link", name="A moment.", exact=True).wait_for()


def test_a_screen_reader_hears_that_the_run_waits(ada):
    page = ada.open()
    page.wait_for_selector("#empty h2")
    send(page, BOTH)
    page.wait_for_selector("#say:has-text('The run waits for an answer: announce, ask_user.')")
    assert run_in(page).locator(".answer").get_attribute("aria-busy") == "false"


def test_arguments_are_text_and_read_as_they_are(ada):
    """Markup stays text, and signs that turn a line around are spelled out."""
    page = ada.open()
    evil = "<img src=x onerror=alert(1)> pay \u202eeno ot"
    send(page, script({"tools": [["announce", {"text": evil}]]}, {"text": "There."}))
    card = asked(page)
    assert card.locator("dd").text_content() == evil.replace("\u202e", "\\u202e")
    assert card.locator("img").count() == 0
    page.locator("#stop").click()
    run_in(page, "aborted")


@pytest.fixture
def boss(stack):
    """The token of an approver of ada's workspace."""
    return stack.token(user="boss", roles=["reader", "approver"])


def asking_run(stack, *tools):
    """A run of ada's that waits for answers."""
    run = begin(stack, {"text": "Between you and me.", "tools": tools or [["announce", TEA]]}, {"text": "There."})
    return once(stack, run, lambda run: run["status"] == "waiting")["run"]


def test_an_approver_decides_from_a_link(visitor, stack, boss):
    """[90] The page shows who asks, what and until when, and nothing of the chat; then that the run goes on."""
    run = asking_run(stack)
    page = visitor().open(token=boss, run=run["id"])
    card = asked(page)
    assert card.get_by_role("heading").text_content() == "announce needs your approval"
    assert card.locator("dt, dd").all_text_contents() == ["text", "Tea is at five."]
    assert page.locator("#note").text_content().startswith("You may answer what this run asks.")
    assert page.title() == "Waiting for an answer · A run of ada asks · Outlive"
    assert page.locator(".line .more").text_content().startswith("step 1 · until ")
    assert (page.locator("#composer").is_visible(), "Between you" in page.content()) == (False, False)
    press(card, "Deny")
    card.locator("form:visible textarea").fill("Not today.")
    card.locator("form:visible").get_by_role("button", name="Deny").click()
    page.wait_for_selector("#note:focus:text-is('Answered. The run of ada goes on.')")
    assert page.locator("article").count() == 0
    (part,) = [part for part in ended(stack, run)["message"]["parts"] if "toolCallId" in part]
    assert (part["state"], part["approval"]["reason"]) == ("output-denied", "Not today.")
    page.reload()
    page.wait_for_selector("#note:has-text('asks nothing that you could answer')")


def test_an_approver_answers_one_call_after_the_other(visitor, stack, boss):
    """[90] What is still open stays on the page."""
    run = asking_run(stack, ["announce", TEA], ["ask_user", {"question": QUESTION}])
    page = visitor().open(token=boss, run=run["id"])
    press(asked(page), "Approve")
    page.wait_for_function("() => document.querySelectorAll('.ask').length === 1")
    asked(page).locator("textarea").fill("The blue one")
    press(asked(page), "Answer")
    page.wait_for_selector("#note:has-text('Answered.')")
    parts = [part for part in ended(stack, run)["message"]["parts"] if "toolCallId" in part]
    assert [part["output"] for part in parts] == ["Announced: Tea is at five.", "The blue one"]


def test_an_approver_is_told_when_others_were_faster(visitor, stack, boss):
    """[90] The page looks every ten seconds; here it is told by the device's own network."""
    run = asking_run(stack)
    page = visitor().open(token=boss, run=run["id"])
    asked(page)
    stop(stack, run)
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector("#note:has-text('asks nothing that you could answer')")
    assert page.locator(".ask").count() == 0


@pytest.mark.parametrize("who", [{"user": "eve"}, {"workspace": "other", "user": "boss", "roles": ["approver"]}])
def test_a_link_shows_nothing_to_those_who_may_not_answer(visitor, stack, who):
    """[90] Neither to another user nor to an approver of another workspace."""
    run = asking_run(stack)
    page = visitor().open(token=stack.token(**who), run=run["id"])
    page.wait_for_selector("#note:has-text('asks nothing that you could answer')")
    assert page.locator("article, .ask").count() == 0
    stop(stack, run)


def test_the_link_of_ones_own_run_opens_its_chat(ada, stack):
    """The run's id, on its side of the page, is such a link."""
    run = asking_run(stack)
    page = ada.open(run=run["id"])
    asked(page)
    assert chat_of(page) == run["chat_id"]
    assert page.locator("#prompt").evaluate("field => field.scrollHeight <= field.clientHeight + 2")
    assert said(run_in(page)) == "Between you and me."
    assert page.locator("#facts a").get_attribute("href") == f"#run={run['id']}"
    page.locator("#facts a").click()
    asked(page)
    page.wait_for_function(f"() => location.hash === '#chat={run['chat_id']}'")
    page.locator("#stop").click()
    run_in(page, "aborted")


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_nothing_serious_on_an_approvers_page(visitor, stack, boss, device):
    run = asking_run(stack)
    page = visitor(**(PHONE if device == "phone" else DESKTOP)).open(token=boss, run=run["id"])
    asked(page)
    found = axe(page)
    press(asked(page), "Approve")
    page.wait_for_selector("#note:has-text('Answered.')")
    assert found + axe(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_nothing_serious_while_a_run_waits(visitor, device, scheme):
    """As it asks, with each form open, with a mistake, and in the list of chats."""
    who = visitor(**(PHONE if device == "phone" else DESKTOP), color_scheme=scheme)
    page = who.open()
    send(page, BOTH)
    card = asked(page)
    found = axe(page)
    press(card, "Edit")
    card.locator("form:visible textarea").fill("{")
    press(card, "Approve these")
    card.locator("[role=alert]:has-text('not JSON')").wait_for()
    found += axe(page)
    card.get_by_role("button", name="Back").locator("visible=true").click()
    press(card, "Deny")
    found += axe(page)
    if page.locator("#open-chats").is_visible():
        page.locator("#open-chats").click()
        page.wait_for_selector("#chats .close:focus")
        found += axe(page)
        page.keyboard.press("Escape")
    page.locator("#stop").click()
    run_in(page, "aborted")
    found += axe(page)
    assert found == []
