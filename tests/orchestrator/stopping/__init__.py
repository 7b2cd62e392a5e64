"""Tests of the conditions that stop a drill."""
