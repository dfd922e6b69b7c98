"""Outcomes, feedback, alias changes, routing revisions, what was set aside; append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("outcomes", "feedback", "alias_changes", "routing_revisions", "set_aside")
COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "outcomes",
        sa.Column("number", COUNTER, primary_key=True, autoincrement=True),
        sa.Column("prediction_id", sa.String(26), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("assigned_version", sa.String(64), nullable=False),
        sa.Column("served_version", sa.String(64), nullable=False),
        sa.Column("served_digest", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("experiment", sa.String(64), nullable=False),
        sa.Column("variant", sa.String(64), nullable=False),
        sa.Column("override", sa.Boolean, nullable=False),
        sa.Column("unit_hash", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("confidence", sa.Float),
        sa.Column("entropy", sa.Float),
        sa.Column("is_sure", sa.Boolean),
        sa.Column("top", sa.Text, nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_detail", sa.Text),
        sa.Column("flags", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("finished_ms", sa.BigInteger, nullable=False),
        sa.Column("intake_ms", sa.Float, nullable=False),
        sa.Column("queue_ms", sa.Float, nullable=False),
        sa.Column("preprocess_ms", sa.Float, nullable=False),
        sa.Column("inference_ms", sa.Float, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.UniqueConstraint("prediction_id", name="outcomes_once"),
    )
    op.create_index("outcomes_by_time", "outcomes", ["created_ms"])
    op.create_index("outcomes_by_revision", "outcomes", ["revision", "assigned_version", "created_ms"])
    op.create_index("outcomes_by_version", "outcomes", ["assigned_version", "created_ms"])
    op.create_table(
        "feedback",
        sa.Column("number", COUNTER, primary_key=True, autoincrement=True),
        sa.Column("feedback_id", sa.String(32), nullable=False),
        sa.Column("prediction_id", sa.String(26), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("correct", sa.Boolean),
        sa.Column("label", sa.Text),
        sa.Column("sampling_probability", sa.Float),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("feedback_id", name="feedback_once"),
    )
    op.create_index("feedback_by_prediction", "feedback", ["prediction_id", "number"])
    op.create_table(
        "alias_changes",
        sa.Column("change_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("alias", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64)),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("alias", "sequence", name="alias_changes_in_turn"),
    )
    op.create_table(
        "routing_revisions",
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("shares", sa.Text, nullable=False),
        sa.Column("slots", sa.LargeBinary, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "set_aside",
        sa.Column("number", COUNTER, primary_key=True, autoincrement=True),
        sa.Column("prediction_id", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    for table in TABLES:
        _make_append_only(table)


def _make_append_only(table: str) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE for every user: history is not edited."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION splitleaf_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION splitleaf_append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION splitleaf_append_only()"
        )
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
