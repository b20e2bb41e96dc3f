"""Videos: decoding, what a container says of its pictures, face crops, the store of decoded frames."""
