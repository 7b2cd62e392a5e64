"""Tabletop exercises: decision makers, mock sites, and the real code on a clock that the facilitator owns."""
