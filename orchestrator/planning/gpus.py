"""GPUs of this machine: how many a search takes if nobody says, and how that is said."""

from dataclasses import replace

from models.backends import BF16, FLOAT32
from models.gpus import num_gpus
from orchestrator.planning.plan import SearchOptions

AUTO = "auto"
# Ours: processes take turns on a GPU, so that one that has it alone is faster than several with fractions.
GPUS_PER_TRIAL = 1.0


def with_gpus(options: SearchOptions, asked: float | str, *, federated: bool) -> SearchOptions:
    """Return options with the GPUs per trial that were `asked` for; "auto": one if this machine has any.

    A federation's GPUs are its clients' (--gpus-per-client), and what a cluster has is not known yet: none.
    """
    if asked != AUTO:
        return replace(options, gpus_per_trial=float(asked))
    none = federated or options.address is not None or not num_gpus()
    return replace(options, gpus_per_trial=0.0 if none else GPUS_PER_TRIAL)


def in_words(options: SearchOptions, *, federated: bool) -> list[str]:
    """Return the line on GPUs of a run's first lines; none without a GPU and without a wish for one."""
    if options.gpus_per_trial:
        here = "" if options.address is not None else f" of {num_gpus()} here"
        products = {FLOAT32: "in float32", BF16: "in bfloat16"}.get(options.precision, "in TF32")
        return [f"GPU       {options.gpus_per_trial:g} per trial{here}, products {products} (--precision)"]
    if federated or options.address is not None or not num_gpus():
        return []
    return [f"GPU       {num_gpus()} here, not used (--gpus-per-trial 0)"]
