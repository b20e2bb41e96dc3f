"""One file per corpus format, each with the same result: a Corpus of Recordings."""
