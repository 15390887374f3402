"""POST /generate: one prompt through the data plane, as any client would send it."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.types import Receive, Scope, Send
from msgspec import Meta

from proxy.completions import PATH, UNREADABLE, Completion, why_refused
from proxy.context import Context
from proxy.exchange import UpstreamBroke
from proxy.moments import iso
from proxy.routes.problems import Problem
from proxy.tape import Tape


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prompt: Annotated[str, Meta(min_length=1)]
    model: str | None = None
    system: str | None = None
    monitor: str | None = None
    options: dict[str, Any] = {}
    """Further fields of the chat completion request: temperature, max_tokens, ..."""


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    prompt: str
    response: str
    timestamp: str | None
    model: str
    duration_seconds: float
    usage: Any = None
    finish_reason: str | None = None


class Relayed(Response[Any]):
    """An answer that the data plane writes itself, byte for byte."""

    def __init__(self, context: Context, tape: Tape, scope: Any, body: bytes):
        super().__init__(None)
        self._parts = context.relay, tape, scope, body

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        relay, tape, relayed, body = self._parts

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            await relay.forward(relayed, once(body, receive), send, tape)

        return respond


def once(body: bytes, then: Receive) -> Receive:
    """A receive channel that gives the body, then whatever the client does."""
    given = False

    async def receive() -> Any:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        while (message := await then())["type"] != "http.disconnect":
            pass
        return message

    return receive


@post("/generate", status_code=200, tags=["playground"])
async def generate(request: Request[Any, Any, Any], context: Context, data: GenerateRequest) -> Response[Generated]:
    """Ask the model. The exchange is monitored like any other, marked as coming from the playground.

    With `Accept: text/event-stream` the upstream's own stream is passed on. `x-driftium-upstream-key: KEY` is sent to
    the model server as `Authorization: Bearer KEY`; where it is there but empty, nothing is.
    """
    model = data.model or context.settings.upstream.default_model
    if not model:
        if not context.probe.models:
            await context.probe.ask()
        model = next(iter(context.probe.models), "")
    if not model:
        advice = "Name one in model." if context.probe.up else context.upstream_advice()
        raise Problem(502, f"No model is known. {advice}")
    stream = "text/event-stream" in request.headers.get("accept", "")
    messages = [{"role": "system", "content": data.system}] if data.system else []
    messages.append({"role": "user", "content": data.prompt})
    body = msgspec.json.encode(data.options | {"model": model, "messages": messages, "stream": stream})
    tape = context.relay.tape(PATH)
    tape.source = "playground"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if data.monitor:
        headers.append((b"x-driftium-monitor", data.monitor.encode()))
    if authorisation := _authorisation(request, context):
        headers.append((b"authorization", authorisation.encode("latin-1")))
    scope = {"method": "POST", "raw_path": PATH.encode(), "query_string": b"", "headers": headers, "state": {}}
    if stream:
        return Relayed(context, tape, scope, body)
    completion = await _ask(context, tape, scope, body, request.receive)
    choice = completion.choices[0]
    return Response(
        Generated(
            id=tape.id,
            prompt=data.prompt,
            response=choice.message.content or "",
            timestamp=iso(tape.at),
            model=completion.model or model,
            duration_seconds=tape.ended - tape.started,
            usage=completion.usage,
            finish_reason=choice.finish_reason,
        ),
        status_code=200,
    )


def _authorisation(request: Request[Any, Any, Any], context: Context) -> str | None:
    """What the model server is to get.

    The client's own header may be the control plane's token, also one that is no longer asked for: a client that can
    have one says so with `x-driftium-upstream-key`, were it empty.
    """
    key = request.headers.get("x-driftium-upstream-key")
    if key is not None:
        return f"Bearer {key}" if key else None
    return None if context.settings.server.admin_token else request.headers.get("authorization")


async def _ask(context: Context, tape: Tape, scope: Any, body: bytes, receive: Receive) -> Completion:
    """The relayed answer. Raises Problem where the model server refused, broke off or sent something else."""
    status, parts = 0, []

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    try:
        await context.relay.forward(scope, once(body, receive), send, tape)
    except UpstreamBroke as error:
        raise Problem(502, f"The model server broke off inside its answer: {error}.") from None
    answer = b"".join(parts)
    if status != 200:
        said = why_refused(answer) or f"The model server answered with status {status}."
        raise Problem(status if 400 <= status < 600 else 502, said)
    try:
        return msgspec.json.decode(answer, type=Completion)
    except UNREADABLE as error:
        raise Problem(502, f"The model server's answer is not a chat completion: {error}.") from None
