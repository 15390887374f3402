"""What is wrong with PostgreSQL, in words, and the command that helps to mend it."""

import re

DOCTOR = "driftium doctor"

_LOGIN = "correct user and password in database.url (DRIFTIUM_DATABASE__URL), or let the user in there (pg_hba.conf)"
_RIGHTS = "let the database's owner make the schema for that user: CREATE SCHEMA driftium AUTHORIZATION the_user"
_MANY = "raise max_connections there, or run fewer proxies and workers"

# (code, words, what is said). Until a session has begun the driver knows no code: then the words are looked at.
_FAULTS = (
    (r"53100", r"No space left on device", "The disk of {where} is full: make room there, or lower log.keep_days."),
    (r"3D000", r"database .* does not exist", "{where} does not exist: make it (createdb), or correct database.url."),
    (
        r"28...",
        r"password|pg_hba|role .* does not exist|not permitted to log in",
        f"{{where}} refuses the login ({{said}}): {_LOGIN}.",
    ),
    (
        r"42501|3F000",
        r"permission denied",
        f"The user of database.url may not do all it needs in {{where}} ({{said}}): {_RIGHTS}.",
    ),
    (
        r"25006",
        r"read-only|hot standby",
        "{where} takes no writes ({said}): name the primary in database.url, not a standby.",
    ),
    (
        r"53...",
        r"too many (clients|connections)|connection slots",
        f"{{where}} has no connection left ({{said}}): {_MANY}.",
    ),
    (
        r"57014|55P03|40P01|40001",
        r"(?!)",
        "{where} is too slow ({said}): look at its load and at what holds locks there (pg_stat_activity).",
    ),
    (
        r"57P0.",
        r"starting up|shutting down|recovery|not yet accepting",
        "{where} stops, starts or recovers ({said}): it is tried again.",
    ),
    (
        r"(?!)",
        r"timeout expired|no answer",
        "{where} does not answer ({said}): look whether it hangs, and the network.",
    ),
    (r"(?!)", r"SSL|certificate", "{where} is not reached by TLS as database.url asks ({said}): see sslmode there."),
    (
        r"08...",
        r"refused|resolve|translate|unreachable|No route|closed|lost|reset|terminated",
        "{where} is not reached ({said}): start it there, or correct database.url.",
    ),
)

_PREFIX = re.compile(r"^connection failed: (connection to server at .*? failed: )?(FATAL: +)?")


def shared_fault(said: str, code: str, where: str) -> tuple[str, str | None]:
    """The message and the command, of the first line of what the driver said and its SQLSTATE, "" where it has none."""
    said = _PREFIX.sub("", said).rstrip(".")
    for codes, words, message in _FAULTS:
        if re.fullmatch(codes, code) or (not code and re.search(words, said)):
            return message.format(where=where, said=said), DOCTOR
    return f"{where} cannot be used ({said}): its own log may say more.", DOCTOR
