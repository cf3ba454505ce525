"""The reporting views (docs/views.md).

Revision ID: 0007
Revises: 0006
"""

from migrations.view import create, drop
from migrations.views_0007 import VIEWS

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the views."""
    create(VIEWS)


def downgrade() -> None:
    """Take them away again."""
    drop(VIEWS)
