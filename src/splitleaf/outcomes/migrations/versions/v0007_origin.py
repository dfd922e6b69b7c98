"""How an image came: from the page, from a program that names its units, ..."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outcomes", sa.Column("origin", sa.String(16), nullable=False, server_default=""))
