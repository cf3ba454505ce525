"""Numbers a daemon tells of itself.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new."""
    op.add_column("daemons", sa.Column("measures", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("daemons", "measures")
