"""Sums of which a server learns nothing but themselves: pure protocol, without networks, torch or executors."""
