"""Fills and exits that a hole in the feed may have made others.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FILLED = ("fills", "positions")


def upgrade() -> None:
    """Add the mark."""
    for table in FILLED:
        op.add_column(table, sa.Column("after_hole", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    """Take it away again."""
    for table in FILLED:
        op.drop_column(table, "after_hole")
