"""Toys that a contributor would add, each by one entry of a dictionary."""
