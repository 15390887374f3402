"""What the records' short names are called in reports for people."""

URGENCIES = {"now": "Now", "soon": "Soon", "later": "Later"}
CHANGED = {
    "users": "the users",
    "model": "the model",
    "application": "the application: how the model is asked",
    "both": "the users and the model",
    "several": "several of them",
    "operation": "the operation, neither users nor model",
    "nothing": "nothing",
    "unknown": "not known",
}


def percent(share: float) -> str:
    """0.8 as "80 %"."""
    return f"{100 * share:.0f} %"
