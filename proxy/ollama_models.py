"""What only Ollama tells of a model: its parameters, its template, its system prompt and its weights."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2s
from typing import Any

import httpx

Details = Mapping[str, str]
"""{"ollama_parameters": text, "ollama_template": digest, "ollama_system": digest, "weights": digest of their file,
"quantization": "Q4_0"}; what Ollama did not tell is missing.
"""

EXPLAINER = "smollm:135m"
"""Asked why answers drifted, where no other is named: small enough to leave the machine to the clients' models."""

FROM_OLLAMA = ("ollama_parameters", "ollama_template", "ollama_system", "weights")
"""Those that become settings of a sample. The quantization is part of what the weights' digest tells."""

NONE = "none"
"""Known to be empty, other than not known."""

PORT = 11434
LOOPBACK = ("127.0.0.1", "localhost", "::1")

MOST_MODELS = 200
SHOW_SECONDS = 5.0
"""Longest wait for one model, and from when on further ones wait for the next round."""
CLIP = 500

_FILE = re.compile(r"^(?:FROM|ADAPTER) .*sha256[-:]([0-9a-f]{12,64})", re.MULTILINE)
_TEMPLATE = re.compile(r'^TEMPLATE """.*?"""', re.MULTILINE | re.DOTALL)
_SYSTEM = re.compile(r'^SYSTEM (?:"""(.*?)"""|(.*?)$)', re.MULTILINE | re.DOTALL)


def ollama_lives_at(url: str) -> bool:
    """Whether this is where Ollama serves unless it is told otherwise: its port, on this machine."""
    address = httpx.URL(url)
    return address.port == PORT and address.host in LOOPBACK


def explaining_model(listed: Sequence[str], default_model: str) -> str:
    """The model that is asked where rca.model names none: EXPLAINER where it is listed, else the upstream's own."""
    if EXPLAINER in listed:
        return EXPLAINER
    return default_model or next(iter(listed), "")


def ask_details(url: str, names: Sequence[str]) -> dict[str, Details]:
    """The details of these models; blocks. Those that Ollama refuses to show have none; the rest, when it does not
    answer in time, are missing.
    """
    import ollama  # Half a second, and memory, that only Ollama's users spend.

    deadline = time.monotonic() + SHOW_SECONDS
    found: dict[str, Details] = {}
    with ollama.Client(host=url, timeout=SHOW_SECONDS, trust_env=False) as client:
        for name in names:
            if time.monotonic() > deadline:
                break
            try:
                found[name] = read_details(client.show(name))
            except (ollama.ResponseError, ValueError):
                found[name] = {}
            except (httpx.HTTPError, ConnectionError):
                break
    return found


def read_details(shown: Any) -> Details:
    """The details in Ollama's answer, an ollama.ShowResponse."""
    details = {"ollama_parameters": _parameters(shown.parameters or ""), "ollama_template": _digest(shown.template)}
    if modelfile := shown.modelfile:
        # Anything may stand in a template, also what looks like the lines that are looked for.
        rest = _TEMPLATE.sub("", modelfile)
        system = _SYSTEM.search(rest)
        details["ollama_system"] = _digest(system and (system[1] or system[2]))
        if files := _FILE.findall(rest):
            details["weights"] = "+".join(files[:4])
    if shown.details and shown.details.quantization_level:
        details["quantization"] = shown.details.quantization_level
    return details


def _parameters(text: str) -> str:
    """One line, sorted: Ollama tells them in any order."""
    lines = sorted(" ".join(line.split()) for line in text.splitlines() if line.strip())
    return "; ".join(lines)[:CLIP] or NONE


def _digest(text: str | None) -> str:
    return blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest() if text else NONE


def marks(model: str, digests: tuple[str, str], before: Details, after: Details) -> Iterator[str]:
    """What people are told when another digest stands behind a model's name; digests are (old, new)."""
    if not all(digests) or digests[0] == digests[1]:
        return
    told = False
    old, new = before.get("weights"), after.get("weights")
    if not old or not new:
        old, new = digests
    if old != new:
        told = True
        yield f"The weights of {model} were replaced: {_short(old, before, after)} -> {_short(new, after, before)}."
    old, new = before.get("ollama_parameters"), after.get("ollama_parameters")
    if old and new and old != new:
        told = True
        yield f"The parameters of {model} were changed: {_differences(old, new)}."
    for name, words in (("ollama_template", "template"), ("ollama_system", "system prompt")):
        old, new = before.get(name), after.get(name)
        if old and new and old != new:
            told = True
            yield f"The {words} of {model} was changed."
    if not told:
        yield f"{model} was made anew under its name: {digests[0][:12]} -> {digests[1][:12]}."


def _short(digest: str, own: Details, other: Details) -> str:
    """The beginning of a digest, with the quantization where that is another one too."""
    level = own.get("quantization", "")
    return digest[:12] + (f" ({level})" if level and level != other.get("quantization") else "")


def _differences(before: str, after: str) -> str:
    """ "num_predict 128 -> 16, stop not set -> "END" "."""
    old, new = _by_name(before), _by_name(after)
    unset = "not set"
    told = [
        f"{name} {old.get(name, unset)} -> {new.get(name, unset)}"
        for name in sorted(old | new)
        if old.get(name) != new.get(name)
    ]
    return ", ".join(told)[:CLIP]


def _by_name(parameters: str) -> dict[str, str]:
    """A parameter may have several values, a line each."""
    found: dict[str, str] = {}
    for line in parameters.split("; ") if parameters != NONE else ():
        name, _, value = line.partition(" ")
        found[name] = f"{found[name]} and {value}" if name in found else value
    return found
