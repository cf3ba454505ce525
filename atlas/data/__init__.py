"""Candles of the past: files in, looked through row by row, and kept as memory-mapped columns that open at once."""
