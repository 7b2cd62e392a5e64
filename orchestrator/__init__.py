"""The orchestrator: decides, records, measures and reports drills."""
