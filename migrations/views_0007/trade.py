"""Views of trades: positions, and what their fills cost."""

from migrations.view import Column, View

C = Column

ZONES = """WITH zones AS MATERIALIZED (
    SELECT a.name AS account, (
        SELECT e.payload -> 'rules' -> 'account' ->> 'timezone' FROM events e
        WHERE e.account = a.name AND e.kind = 'TermsSet' ORDER BY e.seq DESC LIMIT 1
    ) AS timezone
    FROM accounts a
)"""
ZONE = "coalesce(nullif(current_setting('atlas.timezone', true), ''), z.timezone, 'UTC')"
"""The zone of days, weekdays and hours: the account's as its daemon was set last, unless the session says otherwise:
`SET atlas.timezone = 'America/New_York'`.
"""

UNIT = "p.entry_contracts * p.contract_size"
RISK = f"nullif({UNIT} * abs(p.entry_price - p.first_stop), 0)"
AGAINST = "CASE p.side WHEN 'long' THEN p.entry_price - p.worst ELSE p.worst - p.entry_price END"
FAVOUR = "greatest(CASE p.side WHEN 'long' THEN p.best - p.entry_price ELSE p.entry_price - p.best END, 0)"
SCORE = "json_array_length(p.payload -> 'at_trigger' -> '{}')"

TRADES = View(
    "v_trades",
    "One row per position, open or closed, with its metrics (docs/report.md has the definitions). Money is USD.",
    (
        C("account", "p.account", "the account"),
        C("id", "p.id", "the setup's id: product, timeframe, setup bar, setup and side"),
        C("status", "p.status", "open or closed"),
        C("symbol", "p.symbol", "the product traded"),
        C("timeframe", "p.timeframe", "the setup was detected on"),
        C("family", "p.family", "of the setup"),
        C("setup", "p.setup", "its name, resolved by the break"),
        C("side", "p.side", "long or short"),
        C("continuity", f"{SCORE.format('agree')} || '/' || {SCORE.format('frames')}",
          "frames that agreed at the trigger of those looked at, e.g. 3/4"),
        C("tier", "p.tier", "of the leverage at entry: intraday, overnight or spot"),
        C("leverage", "p.leverage", "that margin was last reserved at"),
        C("contracts", "p.entry_contracts", "opened"),
        C("open_contracts", "p.contracts", "still open; 0 when closed"),
        C("contract_size", "p.contract_size", "units of the underlying in one contract"),
        C("entry_time", "p.entry_time", "of the entry's fill"),
        C("entry_price", "p.entry_price", "of the fill, slippage in it"),
        C("notional", f"{UNIT} * p.entry_price", "USD at entry"),
        C("first_stop", "p.first_stop", "the stop at entry"),
        C("stop", "p.stop", "in force, or at the end"),
        C("target", "p.target", "in force, or at the end"),
        C("risk", RISK, "USD from the entry fill to the first stop: 1 R; null if the stop was at the entry"),
        C("exit_time", "p.exit_time", "of the last exit; null while open"),
        C("exit_price", "p.exit_price", "mean of all exits by contracts; null while open"),
        C("exit_reason", "p.exit_reason", "of the last exit; null while open"),
        C("duration", "floor(extract(epoch FROM p.exit_time - p.entry_time))", "whole seconds; null while open"),
        C("gross", "p.gross", "USD before costs, so far while open"),
        C("fees", "p.fees", "USD paid"),
        C("funding", "p.funding", "USD paid; below 0: received"),
        C("slippage", "p.slippage", "USD, inside the prices already"),
        C("net", "p.net", "gross − fees − funding, USD"),
        C("r", f"p.net / {RISK}", "net in multiples of the risk; null without a risk"),
        C("mae_r", f"greatest({AGAINST}, 0) / nullif(abs(p.entry_price - p.first_stop), 0)",
          "the worst price while open, in R against the position"),
        C("mfe_r", f"{FAVOUR} / nullif(abs(p.entry_price - p.first_stop), 0)",
          "the best price while open, in R for the position"),
        C("best_profit", f"{FAVOUR} * {UNIT}", "USD the best price would have brought, before costs"),
        C("day", f"(p.exit_time AT TIME ZONE {ZONE})::date", "of the exit, in the account's timezone"),
        C("weekday", f"to_char(p.entry_time AT TIME ZONE {ZONE}, 'Dy')", "of the entry, Mon … Sun, in that timezone"),
        C("hour", f"to_char(p.entry_time AT TIME ZONE {ZONE}, 'HH24')", "of the entry, 00 … 23, in that timezone"),
        C("filled_while_down", "p.filled_while_down", "an exit was settled from candles of a time ATLAS was down"),
        C("ambiguous", "p.ambiguous", "a stop in a candle that does not tell whether the target came first"),
        C("rest", "p.rest", "an exit by a trade REST told of, while the feed was down"),
        C("contradicted", "p.contradicted", "entered on a bar the exchange's own candle differed from afterwards"),
    ),
    "FROM positions p LEFT JOIN zones z ON z.account = p.account",
    ZONES,
)  # fmt: skip

FEES = View(
    "v_fees",
    "Fees by day, product and purpose; over all rows the sum of every fill's fee.",
    (
        C("account", "f.account", "the account"),
        C("day", f"(f.at AT TIME ZONE {ZONE})::date", "of the fill, in the account's timezone"),
        C("symbol", "f.symbol", "the product"),
        C("purpose", "f.purpose", "entry, or the reason of the exit"),
        C("fills", "count(*)", "how many"),
        C("contracts", "sum(f.contracts)", "filled"),
        C("notional", "sum(f.contracts * p.contract_size * f.price)", "USD filled"),
        C("fee", "sum(f.fee)", "USD paid"),
        C("share", "sum(f.fee) / nullif(sum(f.contracts * p.contract_size * f.price), 0)", "fee ÷ notional"),
    ),
    "FROM fills f JOIN positions p ON p.account = f.account AND p.id = f.position_id "
    "LEFT JOIN zones z ON z.account = f.account GROUP BY 1, 2, 3, 4",
    ZONES,
)

WORSE = "CASE f.side WHEN 'buy' THEN f.price - f.reference ELSE f.reference - f.price END"

SLIPPAGE = View(
    "v_slippage",
    "One row per fill: how much worse than the price it was asked at.",
    (
        C("account", "f.account", "the account"),
        C("at", "f.at", "when it was filled"),
        C("position_id", "f.position_id", "the trade"),
        C("order_id", "f.order_id", "the order"),
        C("number", "f.number", "of the fill within its order, from 0"),
        C("symbol", "f.symbol", "the product"),
        C("side", "f.side", "buy or sell"),
        C("purpose", "f.purpose", "entry, or the reason of the exit"),
        C("contracts", "f.contracts", "filled"),
        C("reference", "f.reference", "the price before slippage"),
        C("price", "f.price", "the price filled at"),
        C("worse", WORSE, "price units lost to slippage; below 0: gained"),
        C("share", f"({WORSE}) / nullif(f.reference, 0)", "of the reference: 0.0005 is 0.05 %"),
        C("slippage", "f.slippage", "USD for all of it"),
        C("filled_while_down", "f.filled_while_down", "settled from candles of a time ATLAS was down"),
        C("rest", "f.rest", "by a trade REST told of, while the feed was down"),
    ),
    "FROM fills f",
)

TRADE = (TRADES, FEES, SLIPPAGE)
