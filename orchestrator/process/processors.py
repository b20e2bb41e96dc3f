"""How many processors this process may use: in a container or a batch job fewer than the machine has."""


def num_processors() -> int:
    """Return the processors of this process's affinity, at most its control group's quota, at least 1.

    `os.cpu_count` is the machine's, and of Ray's own count the affinity is no part: a job of 4 of 64 processors would
    train 64 configurations at once.
    """
    import joblib

    return int(joblib.cpu_count())
