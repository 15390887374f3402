"""The history's tables. Times are unix seconds; people read them as UTC ISO 8601. Bodies are JSON text."""

import sqlalchemy as sa

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits on each engine; only as INTEGER does SQLite number rows by itself."""

schema = sa.MetaData()

state = sa.Table(
    "state",
    schema,
    sa.Column("name", sa.String(32), primary_key=True),  # "cursor": how far the log was read; "worker": what it does
    sa.Column("body", sa.Text, nullable=False),
)

monitors = sa.Table(
    "monitors",
    schema,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("last_scored_at", sa.Float),
    sa.Column("model", sa.Text, nullable=False),  # the model of its last exchange
    sa.Column("response_model", sa.Text, nullable=False),  # as the answers name it
    sa.Column("received", Number, nullable=False),  # samples ever embedded: the next sample's number
    sa.Column("observed", Number, nullable=False),  # samples scored against the active baseline
    sa.Column("baseline_id", sa.String(36)),
    sa.Column("baseline_at", sa.Float),  # when it was made the active one: reports from before are about something else
    sa.Column("counts", sa.Text, nullable=False),  # {result: exchanges}; the results add up to all that were seen
)

samples = sa.Table(  # a ring per monitor: a sample's slot is its number modulo drift.recent_samples
    "samples",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("slot", Number, primary_key=True),
    sa.Column("number", Number, nullable=False),
    sa.Column("exchange_id", sa.String(36), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

baselines = sa.Table(
    "baselines",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("monitor", sa.Text, nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("size", Number, nullable=False),
    sa.Column("encoder", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("calibration", sa.Text),
)

endings = sa.Table(  # how exchanges ended: the monitor's last ones, and what was counted when a baseline was made
    "endings",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("baseline_id", sa.String(36), primary_key=True),  # "": the last exchanges
    sa.Column("body", sa.Text, nullable=False),
)

left = sa.Table(  # how far the comparison with a baseline had come when another took its place, or none did
    "left_baselines",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("baseline_id", sa.String(36), primary_key=True),
    sa.Column("baseline_at", sa.Float),
    sa.Column("observed", Number, nullable=False),
    sa.Column("received", Number, nullable=False),  # samples ever embedded then
)

baseline_samples = sa.Table(
    "baseline_samples",
    schema,
    sa.Column("baseline_id", sa.String(36), primary_key=True),
    sa.Column("position", Number, primary_key=True),
    sa.Column("exchange_id", sa.String(36), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

reports = sa.Table(
    "reports",
    schema,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("monitor", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("severity", sa.String(8)),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("reports_by_time", "monitor", "at"),
    sqlite_autoincrement=True,
)

rollups = sa.Table(
    "rollups",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("hour", Number, primary_key=True),  # unix time of its beginning
    sa.Column("reports", Number, nullable=False),
    sa.Column("mmd2_sum", sa.Float, nullable=False),
    sa.Column("mmd2_max", sa.Float, nullable=False),
    sa.Column("centroid_sum", sa.Float, nullable=False),
    sa.Column("health_min", sa.Float),
    sa.Column("severity_max", Number),
)

mutes = sa.Table(  # monitors of whose drift nobody is to be told for a while
    "mutes",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("until", sa.Float, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
)

acknowledgements = sa.Table(  # drift that somebody deals with: nobody else needs to be told of it again
    "acknowledgements",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("severity", sa.String(8), nullable=False),  # when it was acknowledged; never LOW
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

witnesses = sa.Table(  # of the monitor's last report: which samples carry the drift, with the nearest baseline prompts
    "witnesses",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

evidence = sa.Table(  # what moved, since when and whose doing it was, each time it was looked at
    "evidence",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("monitor", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("evidence_by_time", "monitor", "at"),
)

annotations = sa.Table(
    "annotations",
    schema,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("monitor", sa.Text, nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

events = sa.Table(  # what /events tells; only the newest are kept
    "events",
    schema,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

commands = sa.Table(  # what people ask of the worker, and its answers
    "commands",
    schema,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),
    sa.Column("answer", sa.Text),
    # For those that wait for one; PostgreSQL indexes no long texts.
    sa.Index("ix_commands_answer", "answer", postgresql_where=sa.text("answer IS NULL")),
)

tabular_runs = sa.Table(  # comparisons of tables; only the newest are kept
    "tabular_runs",
    schema,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),  # "": none
    sa.Column("drifted", Number, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

tabular_gauges = sa.Table(  # what /metrics says of each named dataset's last run
    "tabular_gauges",
    schema,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

root_causes = sa.Table(  # root cause analyses with their trace; only the newest of each monitor are kept
    "root_causes",
    schema,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("monitor", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("evidence_id", sa.String(36), nullable=False, index=True),
    sa.Column("model_asked", sa.Text, nullable=False),  # "": none, by rules alone
    sa.Column("source", sa.String(8), nullable=False),
    sa.Column("severity", sa.String(8)),
    sa.Column("cause", sa.String(32), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("root_causes_by_monitor", "monitor", "number"),
    sqlite_autoincrement=True,
)

counters = sa.Table(  # what processes count that nobody scrapes
    "counters",
    schema,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("labels", sa.Text, primary_key=True),  # JSON: [[name, value], …]
    sa.Column("value", Number, nullable=False),
)

canary_rounds = sa.Table(  # each time that a canary's prompts were asked
    "canary_rounds",
    schema,
    sa.Column("canary", sa.Text, primary_key=True),
    sa.Column("number", Number, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),  # when it began
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("requests", Number, nullable=False),
    sa.Column("answers", Number, nullable=False),
    sa.Column("tokens", Number, nullable=False),
    sa.Column("p_value", sa.Float),
    sa.Column("effect", sa.Float),
    sa.Column("changed", sa.Boolean, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("vectors", sa.LargeBinary),  # of the answers, float32, in the order of the body's
)

canaries = sa.Table(  # what people asked of a canary, and what its scheduler plans
    "canaries",
    schema,
    sa.Column("canary", sa.Text, primary_key=True),
    sa.Column("reference_from", Number, nullable=False),  # number of the round from which the reference is made
    sa.Column("asked_at", sa.Float),  # somebody wants a round now
    sa.Column("next_at", sa.Float),
    sa.Column("problem", sa.Text, nullable=False),  # why the last round was not asked, with what to do; "": nothing
)

ingest_sources = sa.Table(  # places that answers are collected from, and how that goes
    "ingest_sources",
    schema,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("at", sa.Float, nullable=False),  # of the last change
    sa.Column("body", sa.Text, nullable=False),
)

ingest_files = sa.Table(  # how far each file was read; it is known by its first line, whatever it is called
    "ingest_files",
    schema,
    sa.Column("source", sa.String(200), primary_key=True),
    sa.Column("place", sa.Text, primary_key=True),  # device and inode, or the URL
    sa.Column("head", sa.String(40), primary_key=True),  # digest of its first line
    sa.Column("head_bytes", Number, nullable=False),
    sa.Column("tail", sa.String(40), nullable=False),  # digest of the bytes before the offset
    sa.Column("tail_bytes", Number, nullable=False),
    sa.Column("offset", Number, nullable=False),  # bytes, decompressed
    sa.Column("line", Number, nullable=False),  # lines before the offset
    sa.Column("path", sa.Text, nullable=False),  # where it was seen last
    sa.Column("version", sa.Text, nullable=False),  # its size and time of change when all of it had been read
    sa.Column("seen_at", sa.Float, nullable=False),
)

ingest_recent = sa.Table(  # what was taken of the time that an API is asked for once more
    "ingest_recent",
    schema,
    sa.Column("source", sa.String(200), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
)

notify_incidents = sa.Table(  # what is not well, or was a moment ago, and which channel was told what of it
    "notify_incidents",
    schema,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

notify_outbox = sa.Table(  # notifications that wait for their receivers, in the order in which they were written
    "notify_outbox",
    schema,
    sa.Column("position", Number, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)
