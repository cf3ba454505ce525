"""The funnel from trigger to trade, as `atlas report --funnel` counts it."""

from migrations.view import Column, View

C = Column

_BEFORE = """WITH triggered AS (
    SELECT account, timeframe, family, count(*) AS triggers, count(*) FILTER (WHERE outcome = 'trade') AS trades
    FROM triggers WHERE outcome IS NOT NULL GROUP BY 1, 2, 3
), gates AS (
    SELECT t.account, t.timeframe, t.family, r.gate, count(*) AS times
    FROM triggers t JOIN rejections r ON r.account = t.account AND r.id = t.id GROUP BY 1, 2, 3, 4
), rejected AS (
    SELECT account, timeframe, family, sum(times)::bigint AS rejected, jsonb_object_agg(gate, times) AS rejections,
           coalesce(sum(times) FILTER (WHERE gate = 'missed'), 0)::bigint AS missed
    FROM gates GROUP BY 1, 2, 3
), dead AS (
    SELECT account, timeframe, family, count(*) AS invalidated
    FROM setups WHERE status = 'invalidated' GROUP BY 1, 2, 3
)"""

FUNNEL = View(
    "v_funnel",
    "What became of the triggers, by timeframe and family: triggers = trades + rejected.",
    (
        C("account", "account", "the account"),
        C("timeframe", "timeframe", "the setups were detected on"),
        C("family", "family", "of the setups"),
        C("triggers", "coalesce(t.triggers, 0)", "decided ones"),
        C("trades", "coalesce(t.trades, 0)", "that became a position"),
        C("rejected", "coalesce(r.rejected, 0)", "that did not"),
        C("rejections", "coalesce(r.rejections, '{}')", "JSON: gate → how many it rejected"),
        C("missed", "coalesce(r.missed, 0)", "of the rejected those nobody was there for"),
        C("invalidated", "coalesce(d.invalidated, 0)", "one-sided setups whose opposite side broke first: no triggers"),
    ),
    "FROM triggered t FULL JOIN rejected r USING (account, timeframe, family) "
    "FULL JOIN dead d USING (account, timeframe, family)",
    _BEFORE,
)

SIGNAL = (FUNNEL,)
