"""Indexes by which the setups of years are counted.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_index("ix_setups_account_valid_from_status", "setups", ["account", "valid_from", "status"])
    op.create_index(
        "ix_setups_invalidated",
        "setups",
        ["account", "resolved_at"],
        postgresql_where=sa.text("status = 'invalidated'"),
    )


def downgrade() -> None:
    """Drop them again."""
    op.drop_index("ix_setups_invalidated", table_name="setups")
    op.drop_index("ix_setups_account_valid_from_status", table_name="setups")
