"""The timekeeper: states every few seconds what still counts, under a key that the orchestrator does not hold."""
