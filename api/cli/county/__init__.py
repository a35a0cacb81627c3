"""The demonstration county: one operator's log with the published figures of two counties.

plan → places, money, people (entries, grants) → run → figures. Everything up to `run` only makes
commands, drawn from the seed; `run` has the ledger carry them out like anybody else's.
"""
