"""What the complete rules, orders, exits and audits store besides.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new."""
    _labels_and_full_continuity()
    _more_states_of_orders()
    op.drop_constraint(op.f("ck_setups_status"), "setups", type_="check")
    op.create_check_constraint(
        op.f("ck_setups_status"),
        "setups",
        "status IN ('waiting', 'triggered', 'invalidated', 'cancelled', 'missed', 'lapsed')",
    )
    op.execute(
        """UPDATE setups SET status = 'cancelled' FROM events
        WHERE events.account = setups.account AND events.id = 'invalidated:' || setups.id
        AND events.payload ->> 'reason' = 'sibling_triggered' AND setups.status = 'invalidated'"""
    )
    op.add_column("candles", sa.Column("in_break", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("positions", sa.Column("signal_product", sa.Text(), nullable=True))
    op.add_column("positions", sa.Column("signal_ratio", sa.Numeric(), nullable=True))


def downgrade() -> None:
    """Take it away again."""
    _no_labels_and_full_continuity()
    _fewer_states_of_orders()
    op.drop_column("positions", "signal_ratio")
    op.drop_column("positions", "signal_product")
    op.drop_column("candles", "in_break")
    op.drop_constraint(op.f("ck_setups_status"), "setups", type_="check")
    op.execute("UPDATE setups SET status = 'invalidated' WHERE status = 'cancelled'")
    op.create_check_constraint(
        op.f("ck_setups_status"),
        "setups",
        "status IN ('waiting', 'triggered', 'invalidated', 'missed', 'lapsed')",
    )


def _labels_and_full_continuity() -> None:
    op.add_column("candles", sa.Column("first_side", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_candles_first_side"), "candles", "first_side IN ('long', 'short')")
    op.add_column("setups", sa.Column("context", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("triggers", sa.Column("context", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("triggers", sa.Column("fifty", sa.Text(), nullable=True))
    op.create_table(
        "full_continuity",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=True),
        sa.Column("last", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("told_long_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_short_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_full_continuity_side")),
        sa.CheckConstraint("last IN ('long', 'short')", name=op.f("ck_full_continuity_last")),
        sa.CheckConstraint("told IN ('long', 'short')", name=op.f("ck_full_continuity_told")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_full_continuity_account")),
        sa.PrimaryKeyConstraint("account", "symbol", name=op.f("pk_full_continuity")),
    )


def _no_labels_and_full_continuity() -> None:
    op.drop_table("full_continuity")
    op.drop_column("triggers", "fifty")
    op.drop_column("triggers", "context")
    op.drop_column("setups", "context")
    op.drop_constraint(op.f("ck_candles_first_side"), "candles", type_="check")
    op.drop_column("candles", "first_side")


def _more_states_of_orders() -> None:
    op.add_column("orders", sa.Column("filled", sa.Numeric(), server_default="0", nullable=False))
    op.add_column("orders", sa.Column("moves", sa.Integer(), server_default="0", nullable=False))
    op.add_column("orders", sa.Column("good_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("orders", sa.Column("due", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE orders SET filled = contracts WHERE status = 'filled'")
    _states_of_orders(
        status="status IN ('accepted', 'partially_filled', 'rejected', 'filled', 'cancelled', 'expired')",
        working="status IN ('accepted', 'partially_filled')",
    )
    op.create_check_constraint(
        op.f("ck_orders_filled_at_most_ordered"), "orders", "filled BETWEEN 0 AND contracts"
    )
    op.create_index(op.f("ix_orders_account_done_at"), "orders", ["account", "done_at"])
    op.add_column("fills", sa.Column("number", sa.Integer(), server_default="0", nullable=False))
    op.drop_constraint(op.f("pk_fills"), "fills", type_="primary")
    op.create_primary_key(op.f("pk_fills"), "fills", ["account", "order_id", "number"])


def _fewer_states_of_orders() -> None:
    """Fills of parts become the fill of the whole: sums, and the mean price."""
    op.execute(
        """UPDATE fills SET contracts = whole.contracts, price = whole.price, reference = whole.reference,
        fee = whole.fee, slippage = whole.slippage, at = whole.at
        FROM (
            SELECT account, order_id, sum(contracts) AS contracts, sum(price * contracts) / sum(contracts) AS price,
            sum(reference * contracts) / sum(contracts) AS reference, sum(fee) AS fee, sum(slippage) AS slippage,
            max(at) AS at FROM fills GROUP BY account, order_id HAVING count(*) > 1
        ) whole
        WHERE fills.account = whole.account AND fills.order_id = whole.order_id AND fills.number = 0"""
    )
    op.execute("DELETE FROM fills WHERE number > 0")
    op.drop_constraint(op.f("pk_fills"), "fills", type_="primary")
    op.drop_column("fills", "number")
    op.create_primary_key(op.f("pk_fills"), "fills", ["account", "order_id"])
    op.drop_index(op.f("ix_orders_account_done_at"), "orders")
    op.drop_constraint(op.f("ck_orders_filled_at_most_ordered"), "orders", type_="check")
    op.execute("UPDATE orders SET status = 'accepted' WHERE status = 'partially_filled'")
    op.execute("UPDATE orders SET status = 'cancelled' WHERE status = 'expired'")
    _states_of_orders(
        status="status IN ('accepted', 'rejected', 'filled', 'cancelled')", working="status = 'accepted'"
    )
    for column in ("filled", "moves", "good_until", "due"):
        op.drop_column("orders", column)


def _states_of_orders(*, status: str, working: str) -> None:
    """Replace what speaks of the states: two checks and the index of the working ones."""
    for name, condition in (("status", status), ("done_when_final", f"({working}) = (done_at IS NULL)")):
        op.drop_constraint(op.f(f"ck_orders_{name}"), "orders", type_="check")
        op.create_check_constraint(op.f(f"ck_orders_{name}"), "orders", condition)
    op.drop_index("ix_orders_resting", "orders")
    op.create_index("ix_orders_resting", "orders", ["account"], postgresql_where=sa.text(working))
