"""Files in the console: attached in three ways, shown from the bucket, and downloaded, in a real browser."""

import base64
import struct
import zlib

from .browser import PHONE, axe, run_in, send
from .runs import script

GIVE = """([kind, name, type, content]) => {
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type }));
    const field = document.getElementById("prompt");
    const given = kind === "paste" ? { clipboardData: data } : { dataTransfer: data };
    const event = new (kind === "paste" ? ClipboardEvent : DragEvent)(kind, { bubbles: true, cancelable: true, ...given });
    field.dispatchEvent(event);
    return event.defaultPrevented;
}"""


def png(width: int, height: int, colour: tuple[int, int, int] = (60, 110, 90)) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


MAP = {"name": "map.png", "mimeType": "image/png", "buffer": png(320, 200)}
NOTES = {"name": "notes.txt", "mimeType": "text/plain", "buffer": "Grüße\n".encode()}


def attached(page) -> list[str]:
    return page.locator("#attached .name").all_text_contents()


def is_shown(page, picture: str) -> None:
    """The picture is there and drawn."""
    page.wait_for_function("css => document.querySelector(css)?.naturalWidth > 0", arg=picture)


def test_files_go_with_a_prompt_and_are_shown_again_after_a_reload(ada):
    """[126] [129] A picture is shown, and any other file is a download under its name."""
    page = ada.open()
    page.locator("#files").set_input_files([MAP, NOTES])
    assert attached(page) == ["map.png", "notes.txt"]
    is_shown(page, "#attached img")
    send(page, "What is this?")
    run_in(page, "succeeded")
    assert page.locator("#attached").is_hidden()
    for _ in range(2):
        is_shown(page, ".question .picture img")
        with page.expect_download() as got:
            page.locator(".question button.file").click()
        assert got.value.suggested_filename == "notes.txt"
        assert got.value.path().read_bytes() == NOTES["buffer"]
        page.reload()
        run_in(page, "succeeded")
    assert axe(page) == []


def test_a_picture_that_a_tool_made_is_shown(ada):
    """[130] At once, beside the call."""
    page = ada.open()
    send(page, script({"text": "See.", "tools": [["draw_chart", {"values": [1, 3, 2]}]]}, {"text": "There."}))
    run_in(page, "succeeded")
    is_shown(page, ".tool .picture img")
    assert page.locator(".tool .picture img").is_visible()


def test_files_are_pasted_and_dropped_and_taken_back(ada):
    page = ada.open()
    content = base64.b64encode(MAP["buffer"]).decode()
    assert page.evaluate(GIVE, ["paste", "pasted.png", "image/png", content])
    assert page.evaluate(GIVE, ["drop", "dropped.png", "image/png", content])
    assert attached(page) == ["pasted.png", "dropped.png"]
    page.get_by_role("button", name="Remove pasted.png").click()
    assert attached(page) == ["dropped.png"]
    send(page, "What is this?")
    assert "You attached dropped.png (image/png" in run_in(page, "succeeded").text_content()


def test_a_file_that_the_deployment_does_not_take_is_refused_by_name_and_all_is_kept(ada):
    """[127] The prompt and the other files are still there."""
    page = ada.open()
    page.locator("#files").set_input_files([MAP, {**NOTES, "name": "page.html", "mimeType": "text/html"}])
    send(page, "What is this?")
    page.locator("#notice .heading", has_text="Refused").wait_for()
    assert "text/plain" in page.locator("#notice").text_content()
    assert (page.locator("#prompt").input_value(), attached(page)) == ("What is this?", ["map.png", "page.html"])
    page.get_by_role("button", name="Remove page.html").click()
    page.locator("#send").click()
    run_in(page, "succeeded")


def test_what_is_attached_stays_with_its_chat(ada):
    """Another chat may be another user's."""
    page = ada.open()
    page.locator("#files").set_input_files([MAP])
    send(page, "hello")
    run_in(page, "succeeded")
    page.locator("#files").set_input_files([NOTES])
    page.locator("#new").click()
    assert attached(page) == []


def test_a_phone_has_room_for_what_is_attached(visitor):
    page = visitor(**PHONE).open()
    page.locator("#files").set_input_files([MAP, NOTES])
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]
    assert axe(page) == []
