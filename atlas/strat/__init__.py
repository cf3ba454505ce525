"""The Strat, exactly as strat.md has it: bar types, setups, names and timeframe continuity.

Names are not handed on here: `atlas.rules` needs `atlas.strat.setup`, and the modules beside it need `atlas.rules`.
"""
