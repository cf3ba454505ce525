"""Money: rounding, fees and slippage, profit, margin, sizing, funding, the account and its ledger.

Pure functions on `Decimal`. The values they speak of stand in `book`; the numbers they use come from `atlas.rules`.
"""
