"""Timings: what the ledger does in a second, beside its peers in the same run."""
