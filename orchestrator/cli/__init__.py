"""The command `haltdrill`: one module for each group of commands, and what they have in common."""
