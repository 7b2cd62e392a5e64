"""Prometheus metrics of drills, computed from their log and from nothing else."""
