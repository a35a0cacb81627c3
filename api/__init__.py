"""The doors: command line and HTTP. Nothing is decided here."""
