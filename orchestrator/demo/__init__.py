"""The demo: real agents, witnesses and workloads on this machine, which die with it."""
