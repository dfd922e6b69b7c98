"""What is to be labelled, whose turn it is, how far the outcomes were looked at; verdicts among the feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("review_items", "review_turns", "review_progress")
COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("feedback", sa.Column("verdict", sa.String(16), nullable=False, server_default="answer"))
    op.add_column("feedback", sa.Column("supersedes", sa.String(32), nullable=False, server_default=""))
    op.create_table(
        "review_items",
        sa.Column("number", COUNTER, primary_key=True, autoincrement=True),
        sa.Column("prediction_id", sa.String(26), nullable=False),
        sa.Column("experiment", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("sampling_probability", sa.Float),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("prediction_id", "reason", name="review_items_once"),
    )
    op.create_index("review_items_in_order", "review_items", ["experiment", "reason", "place"])
    op.create_table(
        "review_turns",
        sa.Column("number", COUNTER, primary_key=True, autoincrement=True),
        sa.Column("prediction_id", sa.String(26), nullable=False),
        sa.Column("expert", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("review_turns_by_prediction", "review_turns", ["prediction_id", "number"])
    op.create_table(
        "review_progress",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    for table in TABLES:
        _make_append_only(table)


def _make_append_only(table: str) -> None:
    """As in the first migration, whose function PostgreSQL has already."""
    if op.get_bind().dialect.name == "postgresql":
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
