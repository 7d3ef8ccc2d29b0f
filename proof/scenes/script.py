"""A script in words: which process got which answer, in which order."""

from proof.explorer.world import Event, World


def event_line(number: int, before: World, event: Event, after: World) -> str:
    """One line of a script."""
    clock = "" if after.clock == before.clock else f"   [time passes: {(after.clock - before.clock) / 1000:g} s]"
    if event.request is None or event.answer is None:
        return f"{number:4}. {event.label}{clock}"
    fault = f"  {event.label[event.label.index('!') :]}" if "!" in event.label else ""
    ending = "" if event.node is None or not event.node.finished else f"   = {event.node.result}"
    return f"{number:4}. {event.label.split(' !')[0]:14} {_request_text(event)} -> {event.answer.shown}{fault}{ending}{clock}"


def _request_text(event: Event) -> str:
    request = event.request
    assert request is not None
    if request.where == "choice":
        return f"{request.operation} {event.label.split()[-1] if ' ' in event.label else ''}"
    body = request.body
    if request.operation == "TransactWriteItems":
        parts = []
        for entry in body["TransactItems"]:
            ((sort, action),) = entry.items()
            parts.append(f"{sort} {(action.get('Item') or action['Key'])['sk']['S']}")
        return f"TransactWriteItems [{', '.join(parts)}]"
    if "Key" in body or "Item" in body:
        key = body.get("Item") or body["Key"]
        return f"{request.operation} {key['sk']['S']}"
    if "MessageBody" in body:
        return f"{request.operation} {body['MessageBody']}"
    return request.operation
