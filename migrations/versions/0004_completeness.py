"""What is known of each bar: repaired, confirmed, contradicted; holes; positions entered on a contradicted bar.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new."""
    op.add_column("candles", sa.Column("repaired", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for column in ("confirmed_at", "contradicted_at"):
        op.add_column("candles", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.add_column("positions", sa.Column("contradicted", sa.Boolean(), server_default="false", nullable=False))
    _holes()


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("holes")
    op.drop_column("positions", "contradicted")
    for column in ("contradicted_at", "confirmed_at", "repaired"):
        op.drop_column("candles", column)


def _holes() -> None:
    op.create_table(
        "holes",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("repaired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("symbol", "at", name=op.f("pk_holes")),
    )
    op.create_index("ix_holes_open", "holes", ["symbol"], postgresql_where=sa.text("repaired_at IS NULL"))
