"""Probes: how a witness observes a site's workload. They share no code with the drivers."""
