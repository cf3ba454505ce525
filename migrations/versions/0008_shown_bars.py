"""The current periods and past bars, for the panel.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
PRICES = ("open", "high", "low", "close", "volume", "prior_high", "prior_low")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "forming",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("open_time", TIME, nullable=False),
        sa.Column("close_time", TIME, nullable=False),
        *(sa.Column(name, sa.Numeric(), nullable=True) for name in PRICES),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.CheckConstraint("open_time < close_time", name=op.f("ck_forming_times")),
        sa.CheckConstraint("mode IN ('open', 'type')", name=op.f("ck_forming_mode")),
        sa.PrimaryKeyConstraint("symbol", "timeframe", name=op.f("pk_forming")),
    )
    op.create_table(
        "past_bars",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("as_of", TIME, nullable=False),
        sa.Column("bars", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "timeframe", name=op.f("pk_past_bars")),
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("past_bars")
    op.drop_table("forming")
