"""Shards: leases of products, and claims of setups.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "leases",
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wanted_by", sa.Text(), nullable=True),
        sa.CheckConstraint("fence >= 0", name=op.f("ck_leases_fence")),
        sa.PrimaryKeyConstraint("group", "symbol", name=op.f("pk_leases")),
    )
    op.create_table(
        "claims",
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("setup", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group", "setup", name=op.f("pk_claims")),
    )
    op.create_index("ix_claims_group_symbol_until", "claims", ["group", "symbol", "until"])


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("claims")
    op.drop_table("leases")
