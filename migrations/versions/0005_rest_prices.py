"""Fills and exits by prices from REST, while the feed was down.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FILLED = ("fills", "positions")


def upgrade() -> None:
    """Add the mark."""
    for table in FILLED:
        op.add_column(table, sa.Column("rest", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    """Take it away again."""
    for table in FILLED:
        op.drop_column(table, "rest")
