"""Which image an `Idempotency-Key` came with, so that a late reuse for another one is refused."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outcomes", sa.Column("fingerprint", sa.String(32), nullable=False, server_default=""))
