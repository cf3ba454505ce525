"""The backtests of sweeps. They belong to no account: nothing was traded."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, JsonText


class SweepRunRow(Base):
    """One backtest, named by its past (a hash of prices and path), rules, product and window [start, until).

    `parameters` is what the sweep varied, `result` an `atlas.backtest.sweep.task.Run`, both as JSON.
    """

    __tablename__ = "sweep_runs"

    past: Mapped[str] = mapped_column(primary_key=True)
    rules: Mapped[str] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[datetime] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    parameters: Mapped[str] = mapped_column(JsonText)
    result: Mapped[str] = mapped_column(JsonText)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
