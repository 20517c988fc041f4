"""Helpers for sources, under the reference's name."""
