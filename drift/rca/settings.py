"""What kind of setting was altered: the model's own name and weights, its limits, or how it is instructed."""

import re

from drift.evidence import Alteration
from drift.rca.reading import Reading

_MODEL = ("response_model", "model", "weights", "digest")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict", "num_ctx")
_OLLAMA = ("ollama_system", "ollama_template", "ollama_parameters")
_OLLAMA_LIMIT = re.compile(r"\b(num_predict|num_ctx)\W+(-?\d+)")


def model_settings(reading: Reading) -> tuple[str, ...]:
    """Altered ones by which another model is seen.

    Ollama's digest covers template and parameters too: while the weights are known to be the same it says nothing.
    """
    found = [name for name in _MODEL if name in reading.settings]
    others = [name for name in _OLLAMA if name in reading.settings]
    return tuple(name for name in found if name != "digest" or not others or "weights" in found)


def limit_settings(reading: Reading) -> tuple[str, ...]:
    """Altered ones that bound an answer's length."""
    found = [name for name in _LIMITS if name in reading.settings]
    parameters = reading.settings.get("ollama_parameters")
    if parameters and _limits(parameters.before) != _limits(parameters.after):
        found.append("ollama_parameters")
    return tuple(found)


def instruction_settings(reading: Reading) -> tuple[str, ...]:
    """All other altered ones: system prompts, templates, parameters of requests.

    Another model comes with a template and parameters of its own.
    """
    rest = {*_MODEL, *limit_settings(reading), *(_OLLAMA if model_settings(reading) else ())}
    return tuple(name for name in reading.settings if name not in rest)


def _limits(parameters: str) -> dict[str, str]:
    return dict(_OLLAMA_LIMIT.findall(parameters))


def lowered(one: Alteration) -> bool:
    """Whether a limit was set lower, or set at all."""
    before, after = (_number(text) for text in (one.before, one.after))
    return after is not None and (before is None or after < before)


def _number(text: str) -> int | None:
    found = re.findall(r"\d+", text)
    return int(found[-1]) if found else None
