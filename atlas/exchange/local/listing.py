"""Products as REST lists them, with all nested fields and in the recorded key order (nautilus/http_products*.json).

What is recorded is taken over (BIP's group names, venue, margin rates, the funding rate); what depends on the market is
computed from its tape and clock. A tick that is only assumed says so in `display_name_overwrite`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from atlas.exchange.local.frames import percent_change
from atlas.exchange.local.instants import DAY, HOUR, NS, from_datetime, in_break, rfc3339
from atlas.exchange.local.products import Contract
from atlas.exchange.local.tape import Tape

EXPIRY = "2030-12-20T16:00:00Z"
FUNDING_RATE = "0.000013"
"""Per hour; as recorded on 2026-04-07."""
TICK_ASSUMED = "tick assumed by the local exchange: not recorded from the venue"
_TRADE_DATE_ROLLS = 21 * HOUR  # 16:00 Chicago in summer, as recorded


def product(tape: Tape, now: int) -> dict[str, Any]:
    """Return a product's JSON as of the market's clock."""
    item, figures = tape.product, tape.figures(now)
    price = item.tick.text(tape.last.ticks)
    future = item.contract is not None
    before = tape.history.rows(now // NS - 2 * 86_400, now // NS - 86_400)
    volume_before = int(before.volume.sum()) if len(before) else 0
    volume_change = percent_change(figures.volume, volume_before) if volume_before else "0"
    size = item.contract.size if item.contract is not None else Decimal(1)
    notional = item.lot.value(figures.volume) * item.tick.value(tape.last.ticks) * size
    middle = item.tick.value(tape.last.bid + tape.last.ask) / 2
    listed: dict[str, Any] = {
        "product_id": item.product_id,
        "price": price,
        "price_percentage_change_24h": percent_change(tape.last.ticks, figures.ago),
        "volume_24h": item.lot.text(figures.volume),
        "volume_percentage_change_24h": volume_change,
        "base_increment": item.lot.text(1),
        "quote_increment": "0.01" if future else item.tick.text(1),
        "quote_min_size": "0" if future else "1",
        "quote_max_size": "100000000" if future else "150000000",
        "base_min_size": item.lot.text(1),
        "base_max_size": "5000" if future else "3400",
        "base_name": "" if future else item.underlying,
        "quote_name": "US Dollar",
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "" if future else "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": bool(tape.halt),
        "auction_mode": False,
        "product_type": item.kind,
        "quote_currency_id": "USD",
        "base_currency_id": "" if future else item.underlying,
        "fcm_trading_session_details": _session(now) if future else None,
        "mid_market_price": _text(middle) if future else "",
        "alias": "",
        "alias_to": [] if future else [f"{item.product_id}C"],
        "base_display_symbol": "" if future else item.underlying,
        "quote_display_symbol": "USD",
        "view_only": False,
        "price_increment": item.tick.text(1),
        "display_name": f"{item.underlying} PERP" if future else item.product_id,
        "product_venue": "FCM" if future else "CBE",
        "approximate_quote_24h_volume": _text(notional),
        "new_at": None if future else "2023-01-01T00:00:00Z",
        "market_cap": "",
        "base_cbrn": "",
        "quote_cbrn": "",
        "product_cbrn": "",
        "icon_color": "",
        "icon_url": "",
        "display_name_overwrite": TICK_ASSUMED if item.tick_assumed else "",
        "is_alpha_testing": False,
        "about_description": "",
        "best_bid_price": "",
        "best_ask_price": "",
    }
    if item.contract is not None:
        listed["future_product_details"] = _future(item.contract, item.underlying, price, now)
    return listed


def _session(now: int) -> dict[str, Any]:
    """Return the session: open but for the weekly break; the times are the trade date's, no real close."""
    closed = in_break(now)
    opened = (now - _TRADE_DATE_ROLLS) // DAY * DAY + _TRADE_DATE_ROLLS
    return {
        "is_session_open": not closed,
        "open_time": rfc3339(opened),
        "close_time": rfc3339(opened + DAY),
        "session_state": f"FCM_TRADING_SESSION_STATE_{'CLOSED' if closed else 'OPEN'}",
        "after_hours_order_entry_disabled": False,
        "closed_reason": f"FCM_TRADING_SESSION_CLOSED_REASON_{'REGULAR_MARKET_CLOSE' if closed else 'UNDEFINED'}",
        "maintenance": None,
    }


def _future(contract: Contract, underlying: str, price: str, now: int) -> dict[str, Any]:
    expires = from_datetime(datetime.fromisoformat(EXPIRY))
    return {
        "venue": "cde",
        "contract_code": contract.code,
        "contract_expiry": EXPIRY,
        "contract_size": str(contract.size),
        "contract_root_unit": underlying,
        "group_description": f"{contract.group} Futures",
        "contract_expiry_timezone": "Europe/London",
        "group_short_description": contract.group,
        "risk_managed_by": "MANAGED_BY_FCM",
        "contract_expiry_type": "EXPIRING",
        "perpetual_details": {
            "open_interest": "183283",
            "funding_rate": "",
            "funding_time": None,
            "max_leverage": "",
            "base_asset_uuid": "",
            "underlying_type": "",
        },
        "contract_display_name": f"{underlying} PERP",
        "time_to_expiry_ms": str(max(expires - now, 0) // 1_000_000),
        "non_crypto": False,
        "contract_expiry_name": "2030-12",
        "twenty_four_by_seven": True,
        "funding_interval": "3600s",
        "open_interest": "183283",
        "funding_rate": FUNDING_RATE,
        "funding_time": rfc3339((now // HOUR + 1) * HOUR),
        "display_name": f"{underlying} Perpetual",
        "region_enabled": {},
        "intraday_margin_rate": {
            "long_margin_rate": contract.intraday_long,
            "short_margin_rate": contract.intraday_short,
        },
        "overnight_margin_rate": {
            "long_margin_rate": contract.overnight_long,
            "short_margin_rate": contract.overnight_short,
        },
        "settlement_price": price,
        "futures_asset_type": "FUTURES_ASSET_TYPE_CRYPTO",
        "index_price": price,
        "contract_code_display_name": "",
        "product_group_cbrn": "",
    }


def _text(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
