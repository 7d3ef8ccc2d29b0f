"""A busy chat in a real browser, on the deployed stack: messages that wait, are taken back, and are sent now or instead."""

import uuid

import pytest

from proof.stacks.deployed import Stack

from .browser import axe, chat_of, run_in, said, send
from .runs import held, script, transcript

WORDS = " ".join(f"word{number:03}" for number in range(240))
LIVE = "article .prose:has-text('word003')"
WAITING = "#queue li"


@pytest.fixture
def gate() -> str:
    """The name that a run of this test waits for in mid-stream."""
    return f"gate-{uuid.uuid4().hex}"


@pytest.fixture
def busy(ada, gate):
    """A page whose run streams until the gate opens."""
    page = ada.open()
    send(page, script(held(WORDS, gate)))
    page.wait_for_selector(LIVE)
    return page


def waiting(page) -> list[str]:
    return page.locator(f"{WAITING} .words").all_text_contents()


def act(page, label: str, number: int = 0) -> None:
    page.locator(WAITING).nth(number).get_by_role("button", name=label).click()


def prompts(page) -> list[str]:
    return page.locator("article .prompt").all_text_contents()


def test_messages_that_are_sent_while_a_run_works_wait_and_are_answered_in_turn(busy, ada, stack: Stack, gate) -> None:
    """[96] [97] They stand above the prompt, also after a reload, and become messages one after the other."""
    send(busy, "second")
    busy.wait_for_selector(WAITING)
    busy.locator("#prompt").fill("third")
    busy.locator("#prompt").press("Enter")
    busy.wait_for_selector(f"{WAITING} >> nth=1")
    assert waiting(busy) == ["second", "third"]
    assert busy.locator("#prompt").input_value() == ""
    assert axe(busy) == []
    reloaded = ada.open(chat_of(busy))
    reloaded.wait_for_selector(f"{WAITING} >> nth=1")
    assert waiting(reloaded) == ["second", "third"]
    stack.release(gate)
    for page in (busy, reloaded):
        for number in range(3):
            run_in(page, "succeeded", number)
        assert prompts(page)[1:] == ["second", "third"]
        page.wait_for_selector("#queue", state="hidden")
    assert said(run_in(busy)) == WORDS
    assert len(transcript(stack, chat_of(busy))) == 6


def test_a_message_that_waits_can_be_taken_back(busy, stack: Stack, gate) -> None:
    """[99] It is in the prompt again, and never was a message of the chat."""
    send(busy, "second thoughts")
    busy.wait_for_selector(WAITING)
    act(busy, "Take back")
    busy.wait_for_selector("#queue", state="hidden")
    assert busy.locator("#prompt").input_value() == "second thoughts"
    stack.release(gate)
    run_in(busy, "succeeded")
    assert len(transcript(stack, chat_of(busy))) == 2


def test_a_message_can_be_sent_instead_of_the_run_at_work(busy, stack: Stack) -> None:
    """[104] The run ends with the text so far, and the message is answered at once."""
    send(busy, "rather this")
    busy.wait_for_selector(WAITING)
    act(busy, "Instead")
    first = run_in(busy, "aborted")
    assert "A newer message took its place" in first.text_content()
    run_in(busy, "succeeded", 1)
    assert prompts(busy)[1:] == ["rather this"]
    kept = transcript(stack, chat_of(busy))[1]
    assert kept["status"] == "aborted"
    assert WORDS.startswith(kept["content"])
    assert kept["content"]


def test_a_message_can_be_sent_after_the_step_under_way(ada, stack: Stack, gate) -> None:
    """[101] The run hands over between two steps, before the message that waited longer."""
    page = ada.open()
    step = held(WORDS, gate, tools=[["clock", {}]])
    send(page, script(step, {"text": "never said"}))
    page.wait_for_selector(LIVE)
    send(page, "later")
    page.wait_for_selector(WAITING)
    send(page, "now")
    page.wait_for_selector(f"{WAITING} >> nth=1")
    act(page, "Send now", 1)
    page.wait_for_function("() => document.querySelector('#queue .words')?.textContent === 'now'")
    assert waiting(page) == ["now", "later"]
    stack.release(gate)
    first = run_in(page, "succeeded")
    for number in (1, 2):
        run_in(page, "succeeded", number)
    assert prompts(page)[1:] == ["now", "later"]
    assert "never said" not in said(first)
    assert "A newer message took its place" in first.text_content()
