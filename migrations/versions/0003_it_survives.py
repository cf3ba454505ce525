"""What surviving everything stores besides.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FILLED, MARKS = ("fills", "positions"), ("filled_while_down", "ambiguous")


def upgrade() -> None:
    """Add what is new."""
    _night_audits()
    for table in FILLED:
        for mark in MARKS:
            op.add_column(table, sa.Column(mark, sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    """Take it away again."""
    for table in FILLED:
        for mark in MARKS:
            op.drop_column(table, mark)
    op.drop_table("night_audits")


def _night_audits() -> None:
    op.create_table(
        "night_audits",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inputs", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("differences", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day", name=op.f("pk_night_audits")),
    )
