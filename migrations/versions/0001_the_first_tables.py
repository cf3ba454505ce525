"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text()
EXACT = sa.Numeric()
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON()


def upgrade() -> None:
    """The first tables."""
    op.create_table(
        "accounts",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("starting_equity", EXACT, nullable=True),
        sa.Column("cash", EXACT, nullable=True),
        sa.Column("reserved", EXACT, nullable=True),
        sa.Column("day", TEXT, nullable=True),
        sa.Column("day_start_equity", EXACT, nullable=True),
        sa.Column("halts", JSON, nullable=False),
        sa.Column("halt_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("(cash IS NULL) = (reserved IS NULL)", name=op.f("ck_accounts_opened_whole")),
        sa.CheckConstraint("fence >= 0", name=op.f("ck_accounts_fence_not_negative")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_accounts_reserved_not_negative")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )
    op.create_table(
        "candles",
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("timeframe", TEXT, nullable=False),
        sa.Column("open_time", TIME, nullable=False),
        sa.Column("close_time", TIME, nullable=False),
        sa.Column("open", EXACT, nullable=False),
        sa.Column("high", EXACT, nullable=False),
        sa.Column("low", EXACT, nullable=False),
        sa.Column("close", EXACT, nullable=False),
        sa.Column("volume", EXACT, nullable=False),
        sa.Column("type", TEXT, nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.CheckConstraint("type IN ('1', '2U', '2D', '3')", name=op.f("ck_candles_type")),
        sa.CheckConstraint("low <= high", name=op.f("ck_candles_low_not_above_high")),
        sa.CheckConstraint("open_time < close_time", name=op.f("ck_candles_times")),
        sa.PrimaryKeyConstraint("symbol", "timeframe", "open_time", name=op.f("pk_candles")),
    )
    op.create_index(op.f("ix_candles_close_time"), "candles", ["close_time"])
    op.create_table(
        "commands",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("args", JSON, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("status", TEXT, server_default="pending", nullable=False),
        sa.Column("result", TEXT, nullable=True),
        sa.Column("done_at", TIME, nullable=True),
        sa.CheckConstraint(
            "(status IN ('done', 'failed')) = (done_at IS NOT NULL)", name=op.f("ck_commands_done_when_final")
        ),
        sa.CheckConstraint("status IN ('pending', 'taken', 'done', 'failed')", name=op.f("ck_commands_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_index(
        "ix_commands_pending",
        "commands",
        ["account", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "daemons",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("stopped_at", TIME, nullable=True),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("rules", TEXT, nullable=False),
        sa.Column("market_time", TIME, nullable=True),
        sa.Column("feed", TEXT, nullable=True),
        sa.Column("beat_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_daemons")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("traceback", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    op.create_index(op.f("ix_dead_letters_account_at"), "dead_letters", ["account", "at"])
    op.create_table(
        "health",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("last_progress", TIME, nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("account", "actor", name=op.f("pk_health")),
    )
    op.create_table(
        "products",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("fetched_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
    )
    op.create_table(
        "quotes",
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("price", EXACT, nullable=False),
        sa.Column("bid", EXACT, nullable=True),
        sa.Column("ask", EXACT, nullable=True),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_quotes")),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=True),
        sa.Column("input", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_events_account")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("account", "id", name=op.f("uq_events_account_id")),
    )
    op.create_index(op.f("ix_events_account_fence"), "events", ["account", "fence"])
    op.create_index(op.f("ix_events_account_kind_seq"), "events", ["account", "kind", "seq"])
    op.create_table(
        "fills",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("order_id", TEXT, nullable=False),
        sa.Column("position_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("contracts", EXACT, nullable=False),
        sa.Column("price", EXACT, nullable=False),
        sa.Column("reference", EXACT, nullable=False),
        sa.Column("fee", EXACT, nullable=False),
        sa.Column("slippage", EXACT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_fills_side")),
        sa.CheckConstraint("contracts > 0", name=op.f("ck_fills_contracts_positive")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_fills_account")),
        sa.PrimaryKeyConstraint("account", "order_id", name=op.f("pk_fills")),
    )
    op.create_index(op.f("ix_fills_account_at"), "fills", ["account", "at"])
    op.create_index(op.f("ix_fills_account_position_id"), "fills", ["account", "position_id"])
    op.create_table(
        "funding",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("position_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("rate", EXACT, nullable=False),
        sa.Column("mark", EXACT, nullable=False),
        sa.Column("amount", EXACT, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_funding_account")),
        sa.PrimaryKeyConstraint("account", "position_id", "at", name=op.f("pk_funding")),
    )
    op.create_table(
        "ledger",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("movement_id", TEXT, nullable=False),
        sa.Column("book", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("amount", EXACT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("position_id", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_ledger_account")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger")),
        sa.UniqueConstraint("account", "movement_id", "book", name=op.f("uq_ledger_account_movement_id_book")),
    )
    op.create_index(op.f("ix_ledger_account_book"), "ledger", ["account", "book"])
    op.create_index(op.f("ix_ledger_account_position_id"), "ledger", ["account", "position_id"])
    op.create_table(
        "orders",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("position_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("contracts", EXACT, nullable=False),
        sa.Column("price", EXACT, nullable=True),
        sa.Column("leverage", EXACT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("placed_at", TIME, nullable=False),
        sa.Column("done_at", TIME, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.CheckConstraint("(status = 'accepted') = (done_at IS NULL)", name=op.f("ck_orders_done_when_final")),
        sa.CheckConstraint("kind IN ('market', 'stop', 'limit')", name=op.f("ck_orders_kind")),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side")),
        sa.CheckConstraint("status IN ('accepted', 'rejected', 'filled', 'cancelled')", name=op.f("ck_orders_status")),
        sa.CheckConstraint("contracts > 0", name=op.f("ck_orders_contracts_positive")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_orders_account")),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_account_position_id"), "orders", ["account", "position_id"])
    op.create_index(
        "ix_orders_resting", "orders", ["account"], unique=False, postgresql_where=sa.text("status = 'accepted'")
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("status", TEXT, server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", TIME, nullable=False),
        sa.Column("in_flight", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("doubtful", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("message_id", TEXT, nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_outbox_sent_when_sent")),
        sa.CheckConstraint("status IN ('pending', 'sent', 'dropped')", name=op.f("ck_outbox_status")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_outbox_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("account", "key", name=op.f("uq_outbox_account_key")),
    )
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["account", "next_try_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "positions",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("timeframe", TEXT, nullable=False),
        sa.Column("setup", TEXT, nullable=False),
        sa.Column("family", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("contracts", EXACT, nullable=False),
        sa.Column("entry_contracts", EXACT, nullable=False),
        sa.Column("contract_size", EXACT, nullable=False),
        sa.Column("entry_price", EXACT, nullable=False),
        sa.Column("entry_time", TIME, nullable=False),
        sa.Column("stop", EXACT, nullable=False),
        sa.Column("first_stop", EXACT, nullable=False),
        sa.Column("target", EXACT, nullable=False),
        sa.Column("leverage", EXACT, nullable=False),
        sa.Column("tier", TEXT, nullable=False),
        sa.Column("margin", EXACT, nullable=False),
        sa.Column("liquidation", EXACT, nullable=True),
        sa.Column("worst", EXACT, nullable=False),
        sa.Column("best", EXACT, nullable=False),
        sa.Column("fees", EXACT, nullable=False),
        sa.Column("funding", EXACT, nullable=False),
        sa.Column("slippage", EXACT, nullable=False),
        sa.Column("gross", EXACT, nullable=False),
        sa.Column("net", EXACT, nullable=False),
        sa.Column("risk_at_entry", EXACT, nullable=False),
        sa.Column("r", EXACT, nullable=True),
        sa.Column("exit_price", EXACT, nullable=True),
        sa.Column("exit_time", TIME, nullable=True),
        sa.Column("exit_reason", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("change", sa.Integer(), server_default="0", nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.CheckConstraint("(status = 'closed') = (exit_time IS NOT NULL)", name=op.f("ck_positions_exit_when_closed")),
        sa.CheckConstraint("(status = 'open') = (contracts > 0)", name=op.f("ck_positions_contracts_while_open")),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_positions_side")),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("ck_positions_status")),
        sa.CheckConstraint("net = gross - fees - funding", name=op.f("ck_positions_net")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_positions_account")),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_positions")),
    )
    op.create_index(op.f("ix_positions_account_entry_time"), "positions", ["account", "entry_time"])
    op.create_index(op.f("ix_positions_account_exit_time"), "positions", ["account", "exit_time"])
    op.create_index(
        "ix_positions_open", "positions", ["account"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_table(
        "rejections",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("timeframe", TEXT, nullable=False),
        sa.Column("family", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("gate", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("threshold", TEXT, nullable=False),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_rejections_side")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_rejections_account")),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_rejections")),
    )
    op.create_index(op.f("ix_rejections_account_at"), "rejections", ["account", "at"])
    op.create_index(op.f("ix_rejections_account_gate"), "rejections", ["account", "gate"])
    op.create_table(
        "setups",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("timeframe", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("family", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("setup_time", TIME, nullable=False),
        sa.Column("valid_from", TIME, nullable=False),
        sa.Column("valid_until", TIME, nullable=False),
        sa.Column("trigger", EXACT, nullable=False),
        sa.Column("stop", EXACT, nullable=False),
        sa.Column("target", EXACT, nullable=False),
        sa.Column("opposite_level", EXACT, nullable=False),
        sa.Column("two_sided", sa.Boolean(), nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("agree", sa.Integer(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("continuity", JSON, nullable=True),
        sa.Column("status", TEXT, server_default="waiting", nullable=False),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.CheckConstraint("(status = 'waiting') = (resolved_at IS NULL)", name=op.f("ck_setups_resolved_when_final")),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_setups_side")),
        sa.CheckConstraint(
            "status IN ('waiting', 'triggered', 'invalidated', 'missed', 'lapsed')", name=op.f("ck_setups_status")
        ),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_setups_valid")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_setups_account")),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_setups")),
    )
    op.create_index(op.f("ix_setups_account_valid_until"), "setups", ["account", "valid_until"])
    op.create_index(
        "ix_setups_waiting",
        "setups",
        ["account", "symbol", "timeframe"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_table(
        "triggers",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("timeframe", TEXT, nullable=False),
        sa.Column("family", TEXT, nullable=False),
        sa.Column("setup", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("price", EXACT, nullable=False),
        sa.Column("trigger", EXACT, nullable=False),
        sa.Column("stop", EXACT, nullable=False),
        sa.Column("target", EXACT, nullable=False),
        sa.Column("detection", JSON, nullable=False),
        sa.Column("at_trigger", JSON, nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("rules", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=True),
        sa.CheckConstraint("outcome IN ('trade', 'rejected')", name=op.f("ck_triggers_outcome")),
        sa.CheckConstraint("side IN ('long', 'short')", name=op.f("ck_triggers_side")),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_triggers_account")),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_triggers")),
    )
    op.create_index(op.f("ix_triggers_account_at"), "triggers", ["account", "at"])


def downgrade() -> None:
    """Undo it."""
    op.drop_index(op.f("ix_triggers_account_at"), table_name="triggers")
    op.drop_table("triggers")
    op.drop_index("ix_setups_waiting", table_name="setups", postgresql_where=sa.text("status = 'waiting'"))
    op.drop_index(op.f("ix_setups_account_valid_until"), table_name="setups")
    op.drop_table("setups")
    op.drop_index(op.f("ix_rejections_account_gate"), table_name="rejections")
    op.drop_index(op.f("ix_rejections_account_at"), table_name="rejections")
    op.drop_table("rejections")
    op.drop_index("ix_positions_open", table_name="positions", postgresql_where=sa.text("status = 'open'"))
    op.drop_index(op.f("ix_positions_account_exit_time"), table_name="positions")
    op.drop_index(op.f("ix_positions_account_entry_time"), table_name="positions")
    op.drop_table("positions")
    op.drop_index("ix_outbox_pending", table_name="outbox", postgresql_where=sa.text("status = 'pending'"))
    op.drop_table("outbox")
    op.drop_index("ix_orders_resting", table_name="orders", postgresql_where=sa.text("status = 'accepted'"))
    op.drop_index(op.f("ix_orders_account_position_id"), table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("ix_ledger_account_position_id"), table_name="ledger")
    op.drop_index(op.f("ix_ledger_account_book"), table_name="ledger")
    op.drop_table("ledger")
    op.drop_table("funding")
    op.drop_index(op.f("ix_fills_account_position_id"), table_name="fills")
    op.drop_index(op.f("ix_fills_account_at"), table_name="fills")
    op.drop_table("fills")
    op.drop_index(op.f("ix_events_account_kind_seq"), table_name="events")
    op.drop_index(op.f("ix_events_account_fence"), table_name="events")
    op.drop_table("events")
    op.drop_table("quotes")
    op.drop_table("products")
    op.drop_table("health")
    op.drop_index(op.f("ix_dead_letters_account_at"), table_name="dead_letters")
    op.drop_table("dead_letters")
    op.drop_table("daemons")
    op.drop_index("ix_commands_pending", table_name="commands", postgresql_where=sa.text("status = 'pending'"))
    op.drop_table("commands")
    op.drop_index(op.f("ix_candles_close_time"), table_name="candles")
    op.drop_table("candles")
    op.drop_table("accounts")
