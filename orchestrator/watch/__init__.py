"""The live view of drills in a terminal, and replays of them: from their log, and from nothing else."""
