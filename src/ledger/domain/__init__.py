"""Words, events, commands and rules. Pure, no I/O; the clock is passed in."""
