"""What each kind of record is held to: pure checks against the drill as folded up to it."""
