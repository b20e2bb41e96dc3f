"""This process: its streams, signals, exit codes, optional packages, and errors that nobody foresaw."""
