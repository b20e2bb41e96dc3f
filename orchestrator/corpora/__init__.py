"""One file a corpus format, all yielding the same Recording."""
