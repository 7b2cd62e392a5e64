"""What runs at a site: the agent that acts, the witness that observes, and the demo's worker."""
