"""Bytes and hashes of the log. Pure, no I/O."""
