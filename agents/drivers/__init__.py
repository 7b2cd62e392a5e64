"""Drivers: how an agent acts on its site's workload. Probes never import them."""
