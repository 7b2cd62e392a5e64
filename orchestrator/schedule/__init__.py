"""When drills run by themselves: occurrences, draws, blackouts, blast radius, waves, the decider. All pure."""
