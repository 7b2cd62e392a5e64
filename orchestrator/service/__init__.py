"""The long-running orchestrator: plans on a schedule, one writer for a fleet, from start to drain."""
