"""ATLAS: plays The Strat on Coinbase's feed. This package is the domain; actors, db and web stand around it."""

import os

__version__ = "0.1.0"

# Before NumPy is imported: no matrix is multiplied here, and the threads of its OpenBLAS spin while they start, which
# takes 0.1 s of CPU.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
