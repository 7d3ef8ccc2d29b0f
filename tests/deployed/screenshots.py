"""`make screenshots`: the pictures of the console in docs, taken of a run on a stack of their own.

console-desktop.png    a run at work, on a wide page in light colours
console-phone.png      one that was stopped, on a phone in dark colours
console-asks.png       one that waits for an approval and an answer, on a narrower page
"""

import sys
import tempfile
from pathlib import Path

from local.messages import UserError, run_main
from proof.stacks.deployed import Stack

from . import browser
from .browser import DESKTOP, PHONE, Visitor, chat_of, pictures, run_in, send
from .runs import script

MIDDLE = {"viewport": {"width": 1100, "height": 900}}

ANSWER = (
    "The time in Lisbon is **on the card above**, and six times seven is `42`.\n\n"
    "Each step of this answer was stored before the next one began:\n\n"
    "- close this tab, and the run goes on\n"
    "- open the chat on another device, and all of it is there\n"
    "- press Stop, and it ends with what was said\n\n"
    "So there is no need to wait for the rest of it, which comes slowly on purpose, a few words at a time, for "
    "as long as it takes somebody to read this sentence, close the tab, and think of something better to do. "
)
RUN = script(
    {
        "reasoning": "They want the time and a sum: two tools at once, then a slow one.",
        "text": "Let me look at the clock and do the sum.",
        "seconds": 1,
        "tools": [["clock", {"time_zone": "Europe/Lisbon"}], ["calculate", {"expression": "6 * 7"}]],
    },
    {"text": "And something slow, as tools can be.", "tools": [["wait", {"seconds": 3}]]},
    {"text": ANSWER, "seconds": 20},
)


ASKING_RUN = script(
    {
        "text": "Everything is prepared. I announce it as soon as you agree.",
        "tools": [
            ["clock", {"time_zone": "Europe/Lisbon"}],
            [
                "announce",
                {"text": "Tea is at five, in the garden if the weather holds.\nEverybody is invited: bring a cup."},
            ],
            ["ask_user", {"question": "Where do we meet if it rains?"}],
        ],
    },
    {"text": "It is announced."},
)


def main() -> int:
    """Take them. Raises `UserError` without a browser."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder).resolve() / "state")
        stack.start()
        try:
            with browser.running() as chromium:
                take(stack, chromium)
                take_asking(stack, chromium)
        except browser.Absent as absent:
            raise UserError(str(absent)) from absent
        finally:
            stack.stop()
    return 0


def take(stack: Stack, chromium: "browser.Browser") -> None:
    wide = Visitor(stack, chromium.new_context(**DESKTOP, color_scheme="light"))
    page = wide.open()
    send(page, "What time is it, and what is 6 * 7?")
    run_in(page, "succeeded")
    send(page, RUN)
    page.wait_for_selector("article:nth-child(2) .prose:has-text('on purpose')")
    page.wait_for_selector(".timeline li:nth-child(4)")
    picture(page, "console-desktop.png")
    narrow = Visitor(stack, chromium.new_context(**PHONE, color_scheme="dark"))
    phone = narrow.open(chat_of(page))
    phone.wait_for_selector("article:nth-child(2) .prose:has-text('on purpose')")
    phone.locator("#stop").click()
    run_in(phone, "aborted", 1)
    phone.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    picture(phone, "console-phone.png")


def take_asking(stack: Stack, chromium: "browser.Browser") -> None:
    visitor = Visitor(stack, chromium.new_context(**MIDDLE, color_scheme="light", reduced_motion="reduce"))
    page = visitor.open()
    send(page, ASKING_RUN)
    page.locator(".ask").nth(1).wait_for()
    page.locator(".ask textarea").last.fill("In the library")
    page.locator("#say:has-text('waits')").wait_for(state="attached")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    picture(page, "console-asks.png")


def picture(page: "browser.Page", name: str) -> None:
    page.screenshot(path=pictures() / name)
    sys.stdout.write(f"wrote docs/{name}\n")


if __name__ == "__main__":
    sys.exit(run_main(main))
