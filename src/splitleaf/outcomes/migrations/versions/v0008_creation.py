"""Exposures in the order of their creation, in which they are evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("experiment <> ''")
    columns = ["experiment", "created_ms", "prediction_id"]
    op.create_index("outcomes_by_creation", "outcomes", columns, sqlite_where=where, postgresql_where=where)
