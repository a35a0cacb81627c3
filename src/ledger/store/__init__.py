"""The log in a database: two recorders and the writer."""
