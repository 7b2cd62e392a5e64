"""The logbook: the lines that the orchestrator writes about a drill, and what can be read back from them alone."""
