"""The tables by topic: account, signal, trade, market, operation, shard, sweep. `Base.metadata` is the whole schema."""

from db.models.account import AccountRow, EventRow, FundingRow, LedgerRow
from db.models.base import Base
from db.models.market import CandleRow, FormingRow, HoleRow, PastBarsRow, ProductRow, QuoteRow
from db.models.operation import (
    CommandRow,
    DaemonRow,
    DeadLetterRow,
    DeliveryRow,
    HealthRow,
    NightAuditRow,
    OutboxRow,
)
from db.models.shard import ClaimRow, LeaseRow
from db.models.signal import FullContinuityRow, RejectionRow, SetupRow, TriggerRow
from db.models.sweep import SweepRunRow
from db.models.trade import FillRow, OrderRow, PositionRow

__all__ = [
    "AccountRow",
    "Base",
    "CandleRow",
    "ClaimRow",
    "CommandRow",
    "DaemonRow",
    "DeadLetterRow",
    "DeliveryRow",
    "EventRow",
    "FillRow",
    "FormingRow",
    "FullContinuityRow",
    "FundingRow",
    "HealthRow",
    "HoleRow",
    "LeaseRow",
    "LedgerRow",
    "NightAuditRow",
    "OrderRow",
    "OutboxRow",
    "PastBarsRow",
    "PositionRow",
    "ProductRow",
    "QuoteRow",
    "RejectionRow",
    "SetupRow",
    "SweepRunRow",
    "TriggerRow",
]
