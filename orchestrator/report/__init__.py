"""Renders the result of a drill: pure functions from a result to text."""
