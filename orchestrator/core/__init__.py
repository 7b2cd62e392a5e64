"""The pure core: events, drill, evidence and verdicts. Time is an argument; nothing here does I/O."""
