"""The fleet's files: making a fleet, loading it, plans that people write, and their approval."""
