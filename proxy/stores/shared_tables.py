"""Tables that only several machines need, in PostgreSQL: what waits to be scored, who scores it, who lives."""

import sqlalchemy as sa

schema = sa.MetaData()

queue = sa.Table(  # logged exchanges that are not scored yet; rows go when they are
    "queue",
    schema,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),  # the log's
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("monitor", sa.Text),  # as the client named it
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("ready", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("population", sa.Text),  # the monitor that it is of; known once it is ready
    sa.Column("drawn", sa.Boolean),  # whether it is in the sample that is scored
    sa.Column("prompt", sa.LargeBinary),  # vectors, float32; of answers that are scored
    sa.Column("response", sa.LargeBinary),
    sa.Column("encoder", sa.Text),
    sa.Index("queue_new", "seq", postgresql_where=sa.text("NOT ready")),
    sa.Index("queue_ready", "population", "seq", postgresql_where=sa.text("ready")),
    sa.Index("queue_by_id", "id"),
    # Rows come and go by the second: what they leave must not be read for long.
    postgresql_with={"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_vacuum_cost_delay": 0},
)

partitions = sa.Table(  # of the log, by time of arrival
    "log_partitions",
    schema,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("begins", sa.Float, nullable=False),
    sa.Column("ends", sa.Float, nullable=False),
)

owners = sa.Table(  # which worker scores a monitor; each change of hands is an epoch
    "owners",
    schema,
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("worker", sa.BigInteger, nullable=False),
)

workers = sa.Table(
    "workers",
    schema,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),  # host and process, for people
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("heartbeat_at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # its WorkerState
)
