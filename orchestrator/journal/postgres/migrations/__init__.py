"""The steps by which the journal's tables came to be what they are, for Alembic to run in order."""
