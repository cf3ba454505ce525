"""Many backtests: a grid of settings over products and windows of time, on this machine's processes or on Dask's.

`grid` is what is asked for, `task` one backtest of it, `workers` and `distributed` where they run, `summary` what came
of all of them, with what multiple testing does to it. Storing is the caller's.
"""
