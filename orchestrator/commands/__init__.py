"""The command line: options, what is printed, exit codes. Nothing below imports it."""
