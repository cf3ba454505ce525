"""The metrics of closed trades, once for each thing they are grouped by: trading.md "Metrics", as SQL.

The daily ratios (Sharpe, Sortino, Calmar), drawdown and exposure are not metrics of a group of trades: `atlas report`
has them for the account.
"""

from migrations.view import Column, View

C = Column

GROUPS = {
    "product": ("symbol", "the product traded"),
    "timeframe": ("timeframe", "the setup was detected on"),
    "family": ("family", "of the setup"),
    "setup": ("setup", "its name, resolved by the break"),
    "side": ("side", "long or short"),
    "continuity": ("continuity", "frames that agreed at the trigger of those looked at"),
    "exit": ("exit_reason", "why it was closed"),
    "day": ("day", "of the exit, in the account's timezone"),
    "weekday": ("weekday", "of the entry, in the account's timezone"),
    "hour": ("hour", "of the entry, in the account's timezone"),
}

WON, LOST = "FILTER (WHERE net > 0)", "FILTER (WHERE net < 0)"

METRICS = (
    C("trades", "count(*)", "closed ones"),
    C("wins", f"count(*) {WON}", "net above 0"),
    C("losses", f"count(*) {LOST}", "net below 0"),
    C("break_evens", "count(*) FILTER (WHERE net = 0)", "net exactly 0: trades, but neither wins nor losses"),
    C("win_rate", f"(count(*) {WON})::numeric / count(*)", "wins ÷ trades"),
    C("gross", "sum(gross)", "USD before costs"),
    C("gross_profit", f"coalesce(sum(net) {WON}, 0)", "USD, the net of all wins"),
    C("gross_loss", f"coalesce(sum(net) {LOST}, 0)", "USD, the net of all losses: 0 or below"),
    C("net_profit", "sum(net)", "gross − fees − funding, USD"),
    C("profit_factor", f"coalesce(sum(net) {WON}, 0) / -(sum(net) {LOST})",
      "gross profit ÷ gross loss; null without any loss"),
    C("expectancy", "avg(net)", "USD a trade"),
    C("expectancy_r", "avg(r)", "R a trade"),
    C("average_win", f"avg(net) {WON}", "USD; null without any"),
    C("average_loss", f"avg(net) {LOST}", "USD, below 0; null without any"),
    C("payoff_ratio", f"(avg(net) {WON}) / -(avg(net) {LOST})", "average win ÷ average loss; null without either"),
    C("largest_win", f"max(net) {WON}", "USD; null without any"),
    C("largest_loss", f"min(net) {LOST}", "USD, below 0; null without any"),
    C("longest_winning_streak", "coalesce(max(streak) FILTER (WHERE sign(net) = 1), 0)",
      "wins in a row, in the order of exit"),
    C("longest_losing_streak", "coalesce(max(streak) FILTER (WHERE sign(net) = -1), 0)",
      "losses in a row, in the order of exit"),
    C("average_duration", "avg(duration)", "seconds"),
    C("median_duration", "percentile_cont(0.5) WITHIN GROUP (ORDER BY duration::float8)", "seconds"),
    C("average_mae_r", "avg(mae_r)", "R"),
    C("average_mfe_r", "avg(mfe_r)", "R"),
    C("exit_efficiency", "sum(gross) / nullif(sum(best_profit), 0)", "gross ÷ what the best prices would have brought"),
    C("fees", "sum(fees)", "USD paid"),
    C("funding", "sum(funding)", "USD paid; below 0: received"),
    C("slippage", "sum(slippage)", "USD, inside the prices already"),
    C("sqn", "sqrt(count(r)::numeric) * avg(r) / nullif(stddev_samp(r), 0)", "√n × mean R ÷ deviation of R"),
)  # fmt: skip

# A streak is a run of equal signs in the order of exit: within it, the place among all less the place among those of
# one sign stays the same. Its length is its last trade's place in it.
_BEFORE = """WITH placed AS (
    SELECT *,
        row_number() OVER (PARTITION BY account, {group} ORDER BY exit_time, id COLLATE "C")
      - row_number() OVER (PARTITION BY account, {group}, sign(net) ORDER BY exit_time, id COLLATE "C") AS run
    FROM v_trades WHERE status = 'closed'
), counted AS (
    SELECT *, count(*) OVER (PARTITION BY account, {group}, sign(net), run) AS streak FROM placed
)"""

PERFORMANCE = tuple(
    View(
        f"v_performance_by_{name}",
        f"The metrics of closed trades by {name} (docs/report.md, Performance, has the definitions). Money is USD.",
        (C("account", "account", "the account"), C(group, group, meaning), *METRICS),
        "FROM counted GROUP BY 1, 2",
        _BEFORE.format(group=group),
    )
    for name, (group, meaning) in GROUPS.items()
)
