"""Tells people of drills: webhooks, mail and commands, from the log alone."""
