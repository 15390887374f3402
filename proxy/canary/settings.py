"""[[canary]]: one set of prompts, asked again and again."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from drift.policy import CANARY
from proxy.section import ConfigError, Count, Seconds, Section

DAY = 86_400.0
FEWEST_PROMPTS, MOST_PROMPTS = CANARY.fewest_prompts, 500
"""With four prompts not even another model in all of them is beyond chance: see drift/canary.py."""
MOST_FILE_BYTES = 2**20
_FIELD = r"(\*|\d+(-\d+)?|[a-z]{3}(-[a-z]{3})?)(/\d+)?"
_CRON = re.compile(rf"{_FIELD}(,{_FIELD})*", re.IGNORECASE)


class Message(msgspec.Struct, frozen=True):
    """One message of a chat."""

    role: str
    content: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a prompts_file in JSON: messages, or a prompt with a system text of its own."""

    messages: tuple[Message, ...] = ()
    prompt: str = ""
    system: str = ""


Messages = tuple[Message, ...]


class Canary(Section, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$")]
    model: str = ""
    prompts: tuple[str, ...] = ()
    prompts_file: str = ""
    system: str = ""
    every_seconds: Annotated[float, Meta(ge=10, le=1e9)] = DAY
    cron: str = ""
    repeats: Annotated[int, Meta(ge=1, le=20)] = 3
    reference_rounds: Annotated[int, Meta(ge=2, le=10)] = 2
    max_tokens: Count = 256
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    seed: int | None = None
    max_requests_per_day: Count = 1_000
    timeout_seconds: Seconds = 120.0
    api_key_env: str = ""
    monitors: tuple[str, ...] = ()

    @property
    def monitor(self) -> str:
        """The name of its own monitor."""
        return f"canary:{self.name}"

    @property
    def rounds_per_day(self) -> float | None:
        """None where a cron line says when."""
        return None if self.cron else DAY / self.every_seconds


def messages_of(canary: Canary) -> list[Messages]:
    """What is asked, prompt by prompt. Raises ConfigError where the file cannot be read, or holds something else."""
    own = (Message("system", canary.system),) if canary.system else ()
    if not canary.prompts_file:
        return [(*own, Message("user", prompt)) for prompt in canary.prompts]
    path, key = Path(canary.prompts_file).expanduser(), f"canary.prompts_file = {canary.prompts_file!r}"
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_FILE_BYTES + 1)
        if len(raw) > MOST_FILE_BYTES:
            raise ConfigError(f"{key}: is larger than {MOST_FILE_BYTES} bytes; a canary is a small set of prompts")
        lines = raw.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{key}: cannot be read as UTF-8 text: {error}") from None
    found: list[Messages] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append(_messages(line.strip(), own, f"{key}: line {number}"))
    return found


def _messages(line: str, own: Messages, where: str) -> Messages:
    if not line.startswith("{"):
        return (*own, Message("user", line))
    try:
        read = msgspec.json.decode(line, type=Line)
    except msgspec.MsgspecError as error:
        raise ConfigError(f'{where}: {error}; a line is a prompt, or {{"messages": […]}} as JSON') from None
    if bool(read.messages) == bool(read.prompt):
        raise ConfigError(f"{where}: give either messages or prompt")
    if read.messages:
        return read.messages
    return (*((Message("system", read.system),) if read.system else own), Message("user", read.prompt))


def check(canaries: Sequence[Canary]) -> None:
    """Raises ConfigError for what cannot work, cannot show a change, or would cost more than its own bound."""
    names = [canary.name for canary in canaries]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"canary.name = {twice!r}: is there twice; each canary has a name of its own")
    for canary in canaries:
        _check(canary)


def _check(canary: Canary) -> None:
    where = f"canary {canary.name!r}:"
    if bool(canary.prompts) == bool(canary.prompts_file):
        raise ConfigError(f"{where} give either prompts or prompts_file")
    if canary.cron and not _is_cron(canary.cron):
        raise ConfigError(f"{where} cron = {canary.cron!r}: must have five fields, as in '0 3 * * *' (UTC)")
    asked = messages_of(canary)
    texts = [message.content for messages in asked for message in messages if message.role == "user"]
    if len(texts) < len(asked) or not all(text.strip() for text in texts):
        raise ConfigError(f"{where} each prompt must hold a text of the user's")
    if len({messages for messages in asked}) < len(asked):
        raise ConfigError(f"{where} a prompt is there twice; repeats = {canary.repeats} asks each as often")
    if not FEWEST_PROMPTS <= len(asked) <= MOST_PROMPTS:
        raise ConfigError(
            f"{where} {len(asked)} prompts: must be {FEWEST_PROMPTS} to {MOST_PROMPTS}. With fewer no change can be "
            "told from chance; 20 find most changes of a model"
        )
    requests = len(asked) * canary.repeats
    if requests > canary.max_requests_per_day:
        raise ConfigError(
            f"{where} a round asks {len(asked)} prompts x {canary.repeats} repeats = {requests} requests, more than "
            f"max_requests_per_day = {canary.max_requests_per_day}: raise it, or ask less"
        )
    if canary.rounds_per_day and canary.rounds_per_day * requests > canary.max_requests_per_day:
        raise ConfigError(
            f"{where} every_seconds = {canary.every_seconds:g} makes {canary.rounds_per_day:g} rounds a day of "
            f"{requests} requests, more than max_requests_per_day = {canary.max_requests_per_day}: raise it, or ask "
            "less often"
        )


def _is_cron(line: str) -> bool:
    fields = line.split()
    return len(fields) == 5 and all(_CRON.fullmatch(field) for field in fields)
