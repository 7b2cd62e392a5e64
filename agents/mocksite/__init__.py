"""A simulated site: one world, and the real agent, witnesses and enforcers on it."""
