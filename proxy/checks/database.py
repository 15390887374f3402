"""PostgreSQL, where log and history lie in one: reached, of a version that will do, with the rights that are needed."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from proxy.checks import ASK_SECONDS, Finding
from proxy.settings import Settings
from proxy.stores import history
from proxy.stores.faults import fault_of
from proxy.stores.migrations import LOG, SHARED

OLDEST = 14
"""From it on the server takes from a process that hangs what it holds."""
FEW_CONNECTIONS = 20

PART = "database"

_ASK = sa.text("""
    SELECT
        current_setting('server_version') AS version,
        current_setting('server_version_num')::integer / 10000 AS major,
        pg_is_in_recovery() AS standby,
        current_setting('transaction_read_only')::boolean AS read_only,
        to_regnamespace(:schema) IS NOT NULL AS made,
        coalesce(has_schema_privilege(to_regnamespace(:schema)::oid, 'CREATE'), false) AS may_write,
        has_database_privilege(current_database(), 'CREATE') AS may_make,
        to_regclass(:schema || '.schema_versions') IS NOT NULL AS used,
        quote_ident(current_user) AS who,
        current_setting('max_connections')::integer AS most,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken
""")


def postgres(settings: Settings) -> Iterable[Finding]:
    if not settings.database.url:
        return
    # They bring the driver, which only they have who need it.
    from proxy.stores.patience import give_patience
    from proxy.stores.postgres import place

    where = place(settings.database.url)
    schema = '"' + settings.database.schema.replace('"', '""') + '"'
    engine = sa.create_engine(
        settings.database.url,
        hide_parameters=True,
        poolclass=sa.pool.NullPool,
        connect_args={"connect_timeout": round(ASK_SECONDS)},
    )
    give_patience(engine, answer_seconds=2 * ASK_SECONDS)
    try:
        with engine.connect() as db:
            found = db.execute(_ASK, {"schema": schema}).one()
            versions = db.execute(sa.text(f"SELECT name, version FROM {schema}.schema_versions")) if found.used else ()
            known = {name: version for name, version in versions}
    except SQLAlchemyError as error:
        if cause := getattr(error, "orig", None):
            cause.add_note(where)
        yield Finding("error", PART, fault_of(error).message)
        return
    yield from _judge(settings, where, schema, found, known)


def _judge(settings: Settings, where: str, schema: str, found: Any, known: dict[str, int]) -> Iterable[Finding]:
    if found.standby or found.read_only:
        why = "is a standby" if found.standby else "is read-only"
        yield Finding("error", PART, f"{where} {why}", "name the primary in database.url")
        return
    if not (found.may_write if found.made else found.may_make):
        grant = f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {found.who}"
        make = f"CREATE SCHEMA {schema} AUTHORIZATION {found.who}"
        mend = f"as the {'schema' if found.made else 'database'}'s owner: {grant if found.made else make}"
        yield Finding("error", PART, f"{where}: {found.who} may not make tables in schema {schema}", mend)
        return
    today = {history.SCHEMA.name: history.SCHEMA.version, "log": len(LOG), "shared": len(SHARED)}
    if later := [name for name, version in known.items() if version > today.get(name, version)]:
        mend = "install that version again, or set another database.schema"
        yield Finding("error", PART, f"{where} was written by a later Driftium ({', '.join(later)})", mend)
        return
    state = "" if found.used else "; its tables are made at the first start"
    said = f"{where}, version {found.version.split()[0]}, schema {schema}{state}"
    if found.major < OLDEST:
        mend = f"upgrade to PostgreSQL {OLDEST} or later"
        yield Finding("warning", PART, f"{said}: what a process that hangs holds is not taken from it", mend)
    elif found.most - found.taken < FEW_CONNECTIONS:
        mend = "raise max_connections there, or run fewer proxies and workers"
        yield Finding("warning", PART, f"{said}: {found.taken} of {found.most} connections are taken", mend)
    else:
        yield Finding("ok", PART, f"{said}; {found.taken} of {found.most} connections are taken")
