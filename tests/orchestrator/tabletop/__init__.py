"""Tests of tabletop exercises."""
