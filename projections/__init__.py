"""The read side: the posting table, the read models and the tailer. Knows no HTTP."""
