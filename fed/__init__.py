"""Federated learning: clients, rounds, aggregation (paper, section III.B)."""
