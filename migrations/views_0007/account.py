"""Views of the account: its equity, its days, its ledger, and how the daemon that keeps it is."""

from migrations.view import Column, View

C = Column

# The equity of now is db/equity.py's: what no price is known of counts at its entry.
_EQUITY = """WITH started AS (
    SELECT account, (payload ->> 'day')::date AS day, (payload ->> 'equity')::numeric AS equity
    FROM events WHERE kind = 'DayStarted'
), marked AS (
    SELECT p.account, sum(round(
        CASE p.side WHEN 'long' THEN 1 ELSE -1 END * p.contracts * p.contract_size * (coalesce(
            (SELECT price FROM quotes q WHERE q.symbol = p.symbol),
            (SELECT close FROM candles c WHERE c.symbol = p.symbol ORDER BY close_time DESC LIMIT 1),
            p.entry_price
        ) - p.entry_price), 8
    )) AS unrealised
    FROM positions p WHERE p.status = 'open' GROUP BY 1
), days AS (
    SELECT account, day - 1 AS day, equity, false AS running FROM started
    UNION ALL
    SELECT s.account, max(s.day), max(a.cash) + coalesce(max(m.unrealised), 0), true
    FROM started s JOIN accounts a ON a.name = s.account LEFT JOIN marked m ON m.account = s.account GROUP BY 1
)"""

EQUITY = View(
    "v_equity",
    "The equity at the end of each trading day of the account, begun with the day before the first. A day the account "
    "saw nothing of has no row: its equity is that of the day before.",
    (
        C("account", "account", "the account"),
        C("day", "day", "in the account's timezone"),
        C("equity", "equity", "USD: cash and unrealised profit, at the day's end"),
        C("change", "equity - lag(equity) OVER (PARTITION BY account ORDER BY day)",
          "USD since the row before; null for the first"),
        C("running", "running", "the day is not over: its equity is that of now"),
    ),
    "FROM days",
    _EQUITY,
)  # fmt: skip

DAILY = View(
    "v_daily",
    "The trades closed each day in the account's timezone, and the equity at its end.",
    (
        C("account", "account", "the account"),
        C("day", "day", "of the exits"),
        C("trades", "coalesce(t.trades, 0)", "closed"),
        C("wins", "coalesce(t.wins, 0)", "net above 0"),
        C("losses", "coalesce(t.losses, 0)", "net below 0"),
        C("gross", "coalesce(t.gross, 0)", "USD before costs"),
        C("fees", "coalesce(t.fees, 0)", "USD paid by these trades"),
        C("funding", "coalesce(t.funding, 0)", "USD paid by these trades; below 0: received"),
        C("slippage", "coalesce(t.slippage, 0)", "USD, inside the prices already"),
        C("net", "coalesce(t.net_profit, 0)", "gross − fees − funding, USD"),
        C("largest_win", "t.largest_win", "USD; null without any"),
        C("largest_loss", "t.largest_loss", "USD, below 0; null without any"),
        C("equity", "e.equity", "USD at the day's end; null for a day the account has no equity of"),
    ),
    "FROM v_performance_by_day t FULL JOIN v_equity e USING (account, day)",
)

LEDGER = View(
    "v_ledger",
    "The double-entry ledger, leg by leg: the legs of a movement sum to 0, those of the book cash to the cash.",
    (
        C("account", "account", "the account"),
        C("seq", "seq", "in the order of booking, over all accounts"),
        C("at", "at", "when it happened, market time"),
        C("movement_id", "movement_id", "what belongs together"),
        C("kind", "kind", "deposit, fee, funding, realised, margin_reserve or margin_release"),
        C("book", "book", "cash, capital, fees, funding, realised, margin_free or margin_reserved"),
        C("amount", "amount", "USD"),
        C("position_id", "position_id", "the trade; null for none"),
        C("balance", "sum(amount) OVER (PARTITION BY account, book ORDER BY seq)", "of the book after this leg, USD"),
    ),
    "FROM ledger",
)

HEALTH = View(
    "v_health",
    "The daemon of each account and its actors, as last told. The verdict on them is `atlas status`.",
    (
        C("account", "account", "the account"),
        C("host", "d.host", "the machine of the daemon; null if there never was one"),
        C("pid", "d.pid", "its process"),
        C("version", "d.version", "of the program"),
        C("mode", "d.mode", "signals, paper or replay"),
        C("feed", "d.feed", "up, or what is the matter"),
        C("started_at", "d.started_at", "wall time"),
        C("stopped_at", "d.stopped_at", "wall time; null while it runs, or if it was killed"),
        C("beat_at", "d.beat_at", "wall time of the last sign of life"),
        C("market_time", "d.market_time", "the exchange's clock then"),
        C("actor", "h.actor", "null for a daemon that has told of none"),
        C("state", "h.state", "running, off, or why it is not"),
        C("waiting", "h.waiting", "messages in its mailbox"),
        C("restarts", "h.restarts", "since the daemon's start"),
        C("last_progress", "h.last_progress", "wall time of the last pulse it answered"),
        C("last_error", "h.last_error", "null if it never failed"),
        C("updated_at", "h.updated_at", "wall time this was told"),
    ),
    "FROM daemons d FULL JOIN health h USING (account)",
)

ACCOUNT = (EQUITY, DAILY, LEDGER, HEALTH)
