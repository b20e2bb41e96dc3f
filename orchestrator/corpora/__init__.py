"""Recordings of every supported kind, read into one form; formats/, tables/, video/ and synthetic/ below."""
