"""What a version can say next to its label: whether the image is familiar, where the evidence is, and what drift is measured from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outcomes", sa.Column("is_familiar", sa.Boolean))
    op.add_column("outcomes", sa.Column("heat", sa.Text, nullable=False, server_default=""))
    op.add_column("outcomes", sa.Column("measures", sa.Text, nullable=False, server_default=""))
    op.create_index("outcomes_by_artifact", "outcomes", ["served_digest", "number"])
