"""The mark of a hole in the views of trades and their fills.

Revision ID: 0014
Revises: 0013
"""

from migrations.view import Column, create, drop, extend
from migrations.views_0007 import VIEWS
from migrations.views_0007.trade import SLIPPAGE, TRADES

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MEANING = "the feed had a hole: without it the exit may have been another"


def upgrade() -> None:
    """Add the column to both."""
    extend(TRADES, Column("after_hole", "p.after_hole", MEANING))
    extend(SLIPPAGE, Column("after_hole", "f.after_hole", MEANING))


def downgrade() -> None:
    """Make all of them as they were: a view that others read cannot lose a column."""
    drop(VIEWS)
    create(VIEWS)
