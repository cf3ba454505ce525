"""The audit: what happened is worked out once more from the facts alone, and every claim beside them is compared.

Pure functions of domain values. `venue` is the money, `positions` what a position came to, `judgement` the gates; `db`
reads the events and hands them over.
"""
