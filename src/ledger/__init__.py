"""The write side: events, rules, the log and its stores. Knows no read model and no HTTP."""
