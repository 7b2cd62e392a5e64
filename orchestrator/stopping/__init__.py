"""Conditions that stop a drill: what a plan says of them, how each is looked at, and who acts on it."""
