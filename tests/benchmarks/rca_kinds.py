"""The ways in which each cause shows, by service."""

from collections.abc import Callable, Sequence
from pathlib import Path

from drift.rca.records import Cause
from tests.benchmarks import rca_changes as change
from tests.benchmarks.rca_changes import Change
from tests.benchmarks.rca_incidents import Conditions, Kind
from tests.benchmarks.rca_sources import Base, Rng, Turn

_Make = Callable[[Base], Change]
"""What is to happen to a service."""


def kinds(conditions: Conditions, refusals: Sequence[str], languages: Path | None) -> dict[Cause, list[Kind]]:
    """For each cause its kinds; without the folder of languages those that need one are left out."""
    found = {
        Cause.TOPIC_SHIFT: _topics(),
        Cause.NEW_POPULATION: _populations(conditions, languages),
        Cause.MODEL_CHANGE: _models(),
        Cause.INSTRUCTIONS_CHANGE: _instructions(conditions),
        Cause.VERBOSITY: _lengths(conditions),
        Cause.REFUSALS: _refusals(refusals),
        Cause.FORMAT_BREAK: _formats(),
        Cause.TRUNCATION: _cuts(conditions),
        Cause.LANGUAGE_SWITCH: _languages(conditions, languages),
        Cause.DEGENERATE_OUTPUT: _loops(),
        Cause.PROVIDER_TROUBLE: _troubles(conditions),
        Cause.MIXED: _mixed(conditions, refusals, languages),
        Cause.NONE: [Kind("nothing", base, lambda _: _nothing, least=1.0) for base in _ALL],
    }
    return found


_ALL = (
    "medical",
    "clinic",
    "shop",
    "canned",
    "bank",
    "code",
    "roleplay",
    "arena",
    "arena_june",
    "polls",
    "happy",
    "json",
)


def _nothing(turns: Sequence[Turn], share: float, rng: Rng) -> list[Turn]:
    return list(turns)


def _other(name: str) -> _Make:
    return lambda base: change.instead(base.other[name])


def _topics() -> list[Kind]:
    named = [
        ("medical", "genetics"),
        ("medical", "treatment"),
        ("clinic", "research"),
        ("clinic", "code"),
        ("shop", "refunds"),
        ("shop", "medical"),
        ("canned", "payment"),
        ("bank", "travel"),
        ("code", "stories"),
        ("roleplay", "medical"),
        ("arena", "programs"),
        ("arena_june", "stories"),
        ("polls", "bank"),
        ("json", "payment"),
        ("medical", "shop"),
    ]
    # What was a third of the traffic must rise by enough to be a shift.
    return [
        Kind(topic, base, _other(f"topic:{topic}"), least=0.6 if topic == "treatment" else 0.2) for base, topic in named
    ]


def _populations(conditions: Conditions, folder: Path | None) -> list[Kind]:
    some = [Kind("other customers", "bank", _other("users:customers"), least=0.3)]
    some += [Kind("informal customers", "shop", _other("users:informal"), least=0.6)]
    for n, base in enumerate(("medical", "clinic", "shop", "canned", "roleplay", "arena", "code", "polls")):
        language = conditions.languages[n % len(conditions.languages)]
        if folder:
            users = "n" if base in ("clinic", "shop") else ""
            some.append(Kind(language, base, _speaking(folder, language, users)))
    return some


def _speaking(folder: Path, language: str, users: str = "") -> _Make:
    return lambda _: change.speaking(folder, language, users=users)


def _models() -> list[Kind]:
    pairs = [
        ("arena", "gpt-4-0613"),
        ("arena", "gpt-3.5-turbo-0125"),
        ("arena_june", "gpt-3.5-turbo-0125"),
        ("arena_june", "gpt-4-0314"),
        ("polls", "gpt-3.5-turbo-0613"),
        ("happy", "gpt-4-0613"),
    ]
    some = [
        Kind(model + " named" * named, base, _answers(model, named), least=0.6, answers=150)
        for base, model in pairs
        for named in (False, True)
    ]
    some.append(Kind("release", "canned", _other("model:release"), least=0.6))
    for other in ("gpt-3.5-turbo-0125", "gpt-4-0314"):
        some.append(
            Kind(f"weights of {other}", "arena_june", _answers(other, named=False), least=0.9, digest=True, answers=150)
        )
    some.append(Kind("weights trained on", "roleplay", _trained, least=0.9, digest=True))
    return some


def _trained(base: Base) -> Change:
    """Answers as weights would have them that were trained on other dialogues."""
    return change.each(
        lambda turn, _: change.replace(turn, response=f"Okay. {turn.response} Let me know what else you need.")
    )


def _answers(model: str, named: bool) -> _Make:
    return lambda base: change.answers_of(base, model, named=named)


def _instructions(conditions: Conditions) -> list[Kind]:
    ways = ("polite", "brief", "bullets", "headed", "same", "shout")
    bases = ("medical", "shop", "roleplay", "canned", "arena", "clinic", "bank", "polls")
    some = []
    for n in range(15):
        base, how = bases[n % len(bases)], ways[n % len(ways)]
        if n % 3 < 2:
            system = conditions.systems[n % 2]
            if how == "same":
                how = "polite"
            some.append(Kind(f"system prompt, {how}", base, _instructed(system, how), least=0.4))
        else:
            before, after = conditions.templates[n // 3 % 2]
            some.append(Kind(f"template, {how}", base, _templated(before, after, how), least=0.4))
    return some


def _instructed(system: str, how: str) -> _Make:
    return lambda _: change.instructed(system, how)


def _templated(before: str, after: str, how: str) -> _Make:
    return lambda _: change.templated(before, after, how)


def _lengths(conditions: Conditions) -> list[Kind]:
    some = []
    for n, base in enumerate(("medical", "shop", "clinic", "roleplay", "arena", "arena_june", "canned", "medical")):
        keep, times = conditions.keeps[n % 2], conditions.times[n % 2]
        if base != "canned":  # Its answers have one sentence or two.
            some.append(Kind(f"shortened to {keep}", base, _shortened(keep), least=0.4))
        some.append(Kind(f"{times} times as long", base, _padded(times), least=0.4))
    return some


def _shortened(keep: float) -> _Make:
    return lambda _: change.shortened(keep)


def _padded(times: float) -> _Make:
    return lambda base: change.padded(base, times)


def _refusals(texts: Sequence[str]) -> list[Kind]:
    bases = ("medical", "shop", "roleplay", "arena", "clinic", "canned", "code", "bank", "happy", "json")
    return [Kind("refusals", base, lambda _: change.refusing(texts), most=0.6) for base in bases]


def _formats() -> list[Kind]:
    ways = [("json", how, 0.0) for how in ("prose", "fenced", "broken", "preface")]
    ways += [("code", "unfenced", 0.0), ("code", "plain", 0.2), ("shop", "plain", 0.4), ("arena", "plain", 0.6)]
    ways += [("medical", "markdown", 0.2), ("roleplay", "markdown", 0.2), ("clinic", "markdown", 0.2)]
    return [Kind(how, base, _reformatted(how), least=least) for base, how, least in ways]


def _reformatted(how: str) -> _Make:
    return lambda _: change.reformatted(how)


def _cuts(conditions: Conditions) -> list[Kind]:
    some = []
    for n, base in enumerate(("medical", "shop", "roleplay", "arena", "clinic", "arena_june", "happy")):
        limit = conditions.limits[n % 3]
        some.append(Kind(f"cut at {limit}", base, _cut(limit, None)))
        some.append(Kind(f"cut at {limit}, max_tokens", base, _cut(limit, limit // 4), least=0.9))
    return some


def _cut(characters: int, limit: int | None) -> _Make:
    return lambda _: change.cut_at(characters, limit)


def _languages(conditions: Conditions, folder: Path | None) -> list[Kind]:
    if folder is None:
        return []
    bases = ("medical", "shop", "roleplay", "canned", "arena", "clinic", "bank", "happy")
    return [
        Kind(language, base, _answering(folder, language))
        for n, base in enumerate(bases)
        for language in (conditions.languages[n % len(conditions.languages)],)
    ]


def _answering(folder: Path, language: str) -> _Make:
    return lambda _: change.answering_in(folder, language)


def _loops() -> list[Kind]:
    bases = ("medical", "shop", "roleplay", "canned", "arena", "clinic", "code")
    ways = ("phrase", "phrase", "token", "phrase", "marks")
    return [Kind(ways[n % 5], bases[n % len(bases)], _looping(ways[n % 5])) for n in range(15)]


def _looping(how: str) -> _Make:
    return lambda _: change.looping(how)


def _troubles(conditions: Conditions) -> list[Kind]:
    bases = ("medical", "clinic", "shop", "code", "roleplay", "arena", "bank", "json")
    ways = (("slow", True, 0.0, 0.0), ("errors", False, 0.3, 0.0), ("cut", True, 0.05, 0.2), ("all", True, 0.15, 0.1))
    return [
        Kind(label, bases[n % len(bases)], _troubled(conditions.slower[n % 3] if slow else 1.0, errors, cut), least=0.6)
        for n in range(15)
        for label, slow, errors, cut in (ways[n % 4],)
    ]


def _troubled(slower: float, errors: float, cut: float) -> _Make:
    return lambda _: change.troubled(slower, errors, cut)


def _mixed(conditions: Conditions, texts: Sequence[str], folder: Path | None) -> list[Kind]:
    topic, refusals, model = Cause.TOPIC_SHIFT, Cause.REFUSALS, Cause.MODEL_CHANGE
    refusing: _Make = lambda _: change.refusing(texts)  # noqa: E731
    some = [
        Kind("refunds + refusals", "shop", _both(_other("topic:refunds"), refusing), 0.33, 0.6, (topic, refusals)),
        Kind("code + refusals", "clinic", _both(_other("topic:code"), refusing), 0.33, 0.6, (topic, refusals)),
        Kind("travel + refusals", "bank", _both(_other("topic:travel"), refusing), 0.33, 0.6, (topic, refusals)),
    ]
    for base, other in (("arena", "gpt-3.5-turbo-0125"), ("arena_june", "gpt-4-0314")):
        make = _both(_answers(other, named=True), _other("topic:stories"))
        some.append(Kind("model + stories", base, make, 0.4, 0.7, (model, topic)))
    looping = _both(_other("topic:medical"), _looping("phrase"))
    some.append(Kind("medical + loops", "roleplay", looping, 0.33, 0.6, (topic, Cause.DEGENERATE_OUTPUT)))
    fenced = _both(_other("topic:payment"), _reformatted("fenced"))
    some.append(Kind("payment + fences", "json", fenced, 0.33, 0.6, (topic, Cause.FORMAT_BREAK)))
    if folder:
        first, second = conditions.languages[:2]
        switch, people = Cause.LANGUAGE_SWITCH, Cause.NEW_POPULATION
        make = _both(_other("topic:genetics"), _answering(folder, first))
        some.append(Kind(f"genetics + answers in {first}", "medical", make, 0.33, 0.6, (topic, switch)))
        make = _both(_speaking(folder, second), _cut(conditions.limits[1], None))
        some.append(Kind(f"{second} + cut", "medical", make, 0.33, 0.6, (people, Cause.TRUNCATION)))
    return some


def _both(one: _Make, other: _Make) -> _Make:
    return lambda base: change.after_each_other(one(base), other(base))
