"""A report as one HTML file: nothing is fetched, no script runs, charts are SVG inside, dark and light by the reader's
system."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from atlas.cli.output import clock, money, number
from atlas.cli.report_chart import bars, curve
from atlas.cli.report_show import factor, metric_lines, plain, share

if TYPE_CHECKING:
    from atlas.backtest.result import FunnelRow, Trade
    from atlas.performance import Performance
    from db.report import Report

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #d8dde5; --back: #ffffff; --card: #f6f7f9;
  --gain: #0b7a4b; --loss: #c0322b; --mark: #2563c9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2c3442; --back: #12161d;
  --card: #1a202a; --gain: #3ccf8e; --loss: #ff7a70; --mark: #6ea8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.25rem; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .2rem 0; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.cards div { background: var(--card); border-radius: .5rem; padding: .6rem .8rem; }
.cards dt { color: var(--soft); font-size: .8rem; } .cards dd { margin: 0; font-size: 1.2rem; }
dd, td { font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th { text-align: left; font-weight: 600; color: var(--soft); } th, td { padding: .28rem .6rem .28rem 0;
  border-bottom: 1px solid var(--line); white-space: nowrap; } .right { text-align: right; }
.gain { color: var(--gain); } .loss { color: var(--loss); }
pre { background: var(--card); border-radius: .5rem; padding: .8rem; overflow-x: auto; font-size: .82rem; }
svg { display: block; width: 100%; min-width: 22rem; max-width: 54rem; height: auto; }
svg text { fill: var(--soft); font-size: 13px; }
.grid { stroke: var(--line); } .up { fill: var(--gain); } .down { fill: var(--loss); }
.equity { fill: none; stroke: var(--mark); stroke-width: 2; } .under { fill: var(--loss); opacity: .25; }
"""

Cell = str | Decimal | None


def document(found: "Report", sections: Sequence[str], at: datetime) -> str:
    """Return the whole file. `sections` are the dimensions shown, `at` is when it was made."""
    account = escape(found.summary.account)
    first, last = (clock(each) if each else word for each, word in
                   ((found.period.start, "the beginning"), (found.period.end, "now")))  # fmt: skip
    parts = [
        f"<h1>ATLAS report: {account}</h1>",
        f"<p>From {first} to {last}, made {clock(at)}. All times are UTC, money is USD.</p>",
        _cards(found.metrics),
        "<h2>Equity at the days’ ends</h2>",
        _wide(curve([(each.day, each.equity) for each in found.equity])),
    ]
    for dimension in sections:
        groups = found.by[dimension]
        name = "product" if dimension == "symbol" else dimension
        parts += [f"<h2>By {name}</h2>", _wide(bars([(group, each.net_profit) for group, each in groups.items()]))]
        parts.append(_groups(name, groups))
    parts += ["<h2>Triggers</h2>", _funnel(found.funnel), "<h2>Trades</h2>", _trades(found.trades)]
    parts += ["<h2>Every metric</h2>", "<pre>" + escape("\n".join(metric_lines(found.metrics))) + "</pre>"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ATLAS report: {account}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _cards(metrics: "Performance") -> str:
    shown = {
        "Net profit": f"${money(metrics.net_profit)}",
        "Trades": str(metrics.trades),
        "Win rate": share(metrics.win_rate),
        "Profit factor": factor(metrics),
        "Expectancy": f"{plain(metrics.expectancy_r)} R",
        "Drawdown": share(metrics.max_drawdown_share),
        "Fees and funding": f"${money(metrics.fees + metrics.funding)}",
    }
    cards = (f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in shown.items())
    return f'<dl class="cards">{"".join(cards)}</dl>'


def _groups(name: str, groups: "dict[str, Performance]") -> str:
    heads = (name, "trades", "win rate", "net $", "profit factor", "expectancy R", "fees $", "funding $")
    return _table(
        heads,
        (
            (group, str(each.trades), share(each.win_rate), each.net_profit, factor(each), plain(each.expectancy_r),
             money(each.fees), money(each.funding))
            for group, each in groups.items()
        ),
        left=1,
    )  # fmt: skip


def _funnel(rows: "Iterable[FunnelRow]") -> str:
    return _table(
        ("family", "timeframe", "rejected by", "triggers", "trades", "rejected", "invalidated"),
        (
            (row.family, row.timeframe, ", ".join(f"{gate} {times}" for gate, times in row.rejections.items()),
             str(row.triggers), str(row.trades), str(sum(row.rejections.values())), str(row.invalidated))
            for row in rows
        ),
        left=3,
    )  # fmt: skip


def _trades(trades: "Iterable[Trade]") -> str:
    heads = ("entered", "exited", "product", "timeframe", "setup", "side", "why", "size", "entry", "exit", "net $", "R")
    return _table(
        heads,
        (
            (clock(each.entry_time), clock(each.exit_time), each.symbol, each.timeframe, each.setup, each.side,
             each.exit_reason, number(each.contracts), number(each.entry_price), number(each.exit_price), each.net,
             plain(each.r))
            for each in trades
        ),
        left=7,
    )  # fmt: skip


def _table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], left: int) -> str:
    """The first `left` columns are words; a Decimal is a profit, with its color and sign."""
    head = "".join(f'<th scope="col"{_side(place, left)}>{name}</th>' for place, name in enumerate(heads))
    body = "".join(
        f"<tr>{''.join(_cell(value, _side(place, left)) for place, value in enumerate(row))}</tr>" for row in rows
    )
    body = body or f'<tr><td colspan="{len(heads)}">none in this period</td></tr>'
    return _wide(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _wide(content: str) -> str:
    """What may be wider than a phone scrolls by itself, by keyboard too."""
    return f'<div class="wide" tabindex="0">{content}</div>'


def _side(place: int, left: int) -> str:
    return "" if place < left else ' class="right"'


def _cell(value: Cell, side: str) -> str:
    if isinstance(value, Decimal):
        tone = "gain" if value > 0 else "loss" if value < 0 else "even"
        return f'<td class="right {tone}">{"+" if value > 0 else ""}{money(value)}</td>'
    return f"<td{side}>{escape(value) if value else '–'}</td>"
