"""Actuators: how an enforcer cuts a site off from outside. They share no code with drivers or probes."""
