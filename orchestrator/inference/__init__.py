"""Saved models in use: predictions for files and videos, live or at once, exported files, and their cost in time."""
