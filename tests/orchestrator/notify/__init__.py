"""Tests of the notices to people."""
