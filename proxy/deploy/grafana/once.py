"""Of proxies that share a database each tells of its history the same: queries take it from the first to start."""

import re

# What each process tells of itself; the rest comes from the history.
_OWN = (
    "requests|inflight|overhead|request_duration|time_to_first_chunk|tap_exchanges|rca|build_info|"
    "(upstream|worker|scheduler|stores|vector_store)_up|embedder_ready"
)
_SERIES = re.compile(rf"(?:(?:rate|increase)\()?\bdriftium_(?!{_OWN})\w+\{{[^}}]*\}}(?:\[\$__rate_interval\]\))?")
_REPEATED = "unless on (job, instance) instance:driftium_repeats:timestamp"


def once(query: str) -> str:
    """The query without what further proxies repeat. Without the recording rules of rules.yml nothing is left out."""
    return _SERIES.sub(lambda found: f"({found[0]} {_REPEATED})", query)
