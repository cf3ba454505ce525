"""The tables, by topic: account, signal, trade, market, operation. `Base.metadata` is the whole schema."""

from db.models.account import AccountRow, EventRow, FundingRow, LedgerRow
from db.models.base import Base
from db.models.market import CandleRow, ProductRow, QuoteRow
from db.models.operation import CommandRow, DaemonRow, DeadLetterRow, HealthRow, NightAuditRow, OutboxRow
from db.models.signal import FullContinuityRow, RejectionRow, SetupRow, TriggerRow
from db.models.trade import FillRow, OrderRow, PositionRow

__all__ = [
    "AccountRow",
    "Base",
    "CandleRow",
    "CommandRow",
    "DaemonRow",
    "DeadLetterRow",
    "EventRow",
    "FillRow",
    "FullContinuityRow",
    "FundingRow",
    "HealthRow",
    "LedgerRow",
    "NightAuditRow",
    "OrderRow",
    "OutboxRow",
    "PositionRow",
    "ProductRow",
    "QuoteRow",
    "RejectionRow",
    "SetupRow",
    "TriggerRow",
]
