"""What does the server see? Attacks of the server of a federation on updates and sums."""
