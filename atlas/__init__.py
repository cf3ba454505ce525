"""ATLAS: plays The Strat on Coinbase's feed. This package is the domain; actors, db and web stand around it."""

__version__ = "0.1.0"
