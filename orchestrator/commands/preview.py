"""What a command will do, said before it does it: the first lines of every run, and the dry run."""

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence

from fed.options import Federation, abouts, option_of
from models.backends import STACKS
from models.sizes import network_of
from orchestrator.data.dataset import Dataset
from orchestrator.data.label_delay import moved_by
from orchestrator.errors import number_of
from orchestrator.evaluation import label_levels
from orchestrator.planning import duration, gpu_duration, gpus, windows
from orchestrator.planning.cost import planned_size
from orchestrator.planning.launch import Launch
from orchestrator.planning.packs import backend_of
from orchestrator.planning.plan import Plan, Trial
from orchestrator.protocols import Protocol, head_in_words
from tune_spaces.catalogue import find_method
from tune_spaces.method import HyperParameter, describe, hyper_parameters

BYTES_PER_MIB = 2**20
ADAM_COPIES = 4  # weights, gradients and Adam's two moments
SHOWN_REMARKS = 8
LISTED_CONFIGURATIONS = 60  # of a dry run, one by one
PRESETS = {  # what is to be known of them at the first sight
    "demo": "a small part of the paper's grid and few epochs",
    "standard": "configurations drawn by the seed from part of the paper's grid",
}
WORKER_MIB = 450.0  # a worker process with torch and ray loaded, before any data; measured, ours


def announce(plan: Plan, dataset: Dataset) -> str:
    """Return the first lines of a run: data, protocol, folds, points."""
    corpus, protocol = plan.corpus, plan.protocol
    lines = [f"{plan.title}: {plan.command} --method {plan.method}"]
    if corpus.synthetic:
        lines.append("SYNTHETIC corpus: made by a generator, comparable with no published figure")
    if plan.preset in PRESETS:
        lines.append(f"preset {plan.preset}: {PRESETS[plan.preset]} (--preset paper is all of it)")
    lines += [
        f"corpus    {corpus.kind}, {number_of(corpus.participants, 'participant')},"
        f" {number_of(len(dataset.series), 'recording')}, {dataset.num_frames} frames,"
        f" {len(dataset.feature_names) or corpus.features} features, {corpus.path}",
        *([f"features  {dataset.feature_line}"] if dataset.feature_line else []),
        *([f"joined    {dataset.joined}"] if dataset.joined else []),
        f"protocol  {protocol.name}: {protocol.num_folds} folds by participant, {number_of(protocol.epochs, 'epoch')},"
        f" gold standard {protocol.gold}, loss {protocol.loss}, scaling {protocol.scaling},"
        f" batch size {protocol.windows_a_step} {protocol.order}, seed {plan.seed}",
    ]
    head = head_in_words(dataclasses.asdict(protocol))
    if head is not None:
        lines.append(f"head      {head}")
    if protocol.label_delay_seconds:
        lines.append(_delay(protocol, dataset))
    if protocol.defence is not None:
        lines.append(f"defence   {protocol.defence}: done to the features against recognition of people")
    if protocol.scaling == "both":
        lines.append(f"inputs    {corpus.features}: the features' z-scores, and each person's own means and deviations")
    lines += _images(plan) + _federation(plan) + gpus.in_words(plan.search, federated=plan.federation is not None)
    if protocol.optimistic:
        lines.append("          OPTIMISTIC: the best epoch is chosen on the fold that is reported")
    if protocol.group_by is not None:
        sizes = Counter(map(len, dataset.groups))
        words = ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items(), reverse=True))
        lines.append(
            f"groups    by {protocol.group_by}, each in one fold: {len(dataset.groups)} groups, {words} people"
        )
    lines += [f"fold {fold.number}    {' '.join(fold.held_out)}" for fold in dataset.folds]
    lines += _remarks(plan, dataset) + dataset.unlabelled()
    networks = Counter(trial.network for trial in plan.trials)
    trials = {trial.uid: trial for trial in plan.trials}
    by_network = ", ".join(f"{network} {count}" for network, count in networks.items())
    lines.append(f"search    {plan.num_planned} of {number_of(len(plan.trials), 'configuration')} ({by_network})")
    stacked = [pack for pack in plan.packs if backend_of(trials[pack[0]], plan) in STACKS]
    if stacked and plan.federation is not None:
        together = number_of(len(stacked), "configuration")
        lines.append(f"packs     {together}, the clients of a process as one model (--backend)")
    elif stacked:
        most = max(map(len, stacked))
        packs = f"in {number_of(len(stacked), 'pack')} of up to {most}"
        how = packs if most > 1 else "each by itself, its folds as one model"
        lines.append(f"packs     {sum(map(len, stacked))} configurations as stacks, {how} (--pack, --backend)")
    if plan.search.repeats > 1:
        last = plan.seed + plan.search.repeats - 1
        lines.append(
            f"repeats   {plan.search.repeats} of each network's best configuration, seeds {plan.seed} to {last},"
            " from the second on by other draws of the folds"
        )
    lines += _windows(plan, dataset)
    if plan.refused:
        lines += refusals(plan)
    return "\n".join(lines)


def _delay(protocol: Protocol, dataset: Dataset) -> str:
    given = f"{protocol.label_delay_seconds:g} s"
    moved = moved_by(protocol, dataset.times)
    if moved is None:
        return f"labels    of {given} later (--label-delay); the last {given} of each recording have none"
    ends = dict.fromkeys(f"{one:.3g}" for one in moved)
    frames = f"{' to '.join(ends)} s"
    return f"labels    of {frames} later, in whole frames (--label-delay {given}); the last {frames} have none"


def _windows(plan: Plan, dataset: Dataset) -> list[str]:
    """Return a line if the recordings are shorter than the preset's windows and others stand in their place."""
    if plan.preset not in windows.ADAPTED:
        return []
    wanted = windows.of_preset(find_method(plan.method), plan.preset)
    found = sorted({trial.hparams.sequence_length for trial in plan.trials})
    if min(wanted) <= dataset.longest or not set(found) <= set(windows.fitting_lengths(dataset.longest, len(wanted))):
        return []
    return [
        f"windows   of {', '.join(map(str, found))} in the place of the preset's {', '.join(map(str, wanted))}: the"
        f" longest recording has {dataset.longest} rows (--set sequence_length=... takes others)"
    ]


def _images(plan: Plan) -> list[str]:
    if plan.images is None:
        return []
    images = plan.images
    start = "random weights" if images.weights == "none" else f"weights {images.weights}"
    return [
        f"images    {images.image_size} x {images.image_size} pixels, one of {images.frame_stride} frames,"
        f" face crop {images.face_crop}; ResNet18 {images.backbone}, from {start}"
    ]


def _federation(plan: Plan) -> list[str]:
    if plan.federation is None:
        return []
    chosen = plan.federation
    secure = ["secure    each client has its own process; the server learns sums only"] if chosen.secure_sum else []
    return [
        f"clients   one per participant; {chosen.aggregator} of their weights after"
        f" {number_of(chosen.local_epochs, 'local epoch')}, optimiser {chosen.optimiser},"
        f" batch normalisation {chosen.batch_norm}, failures {chosen.on_client_failure}",
        *secure,
        *_parameters(chosen),
    ]


def _parameters(chosen: Federation) -> list[str]:
    """Return what was chosen beyond the paper's: the server's optimiser, and parameters of choices."""
    found = [
        f"{option_of(name).removeprefix('--').replace('-', ' ')} {getattr(chosen, name):g}"
        for name, about in abouts().items()
        if about.of and getattr(chosen, name) is not None
    ]
    return [f"server    {', '.join([chosen.server_optimiser, *found])}"] if found else []


def _remarks(plan: Plan, dataset: Dataset) -> list[str]:
    """Return what a user should know of the recordings before they are trained on."""
    lines = [f"corpus    {remark}" for remark in dataset.remarks[:SHOWN_REMARKS]]
    if len(dataset.remarks) > SHOWN_REMARKS:
        lines.append(f"corpus    and {len(dataset.remarks) - SHOWN_REMARKS} more: data check tells all")
    labels = label_levels.record(dataset, plan.protocol)
    if labels and labels.warning:
        lines.append(f"labels    WARNING: {labels.warning}")
    longest = max(trial.hparams.sequence_length for trial in plan.trials)
    short = dataset.shorter_than(longest)
    if short:
        done = "left out of training" if plan.protocol.partial_window == "drop" else "padded and masked"
        lines.append(
            f"corpus    {number_of(short, 'recording is', 'recordings are')} shorter than windows of {longest}: {done}"
        )
    return lines


def refusals(plan: Plan) -> list[str]:
    """Return a line per reason why points are refused."""
    reasons = Counter(point["why"] for point in plan.refused)
    return [f"refused   {number_of(count, 'point')}: {why}" for why, count in reasons.most_common()]


def dry_run(launch: Launch) -> str:
    """Return counts, sizes, memory, the configurations and a time estimate from a calibration on this machine."""
    plan, dataset = launch.plan, launch.dataset
    trials = plan.trials[: plan.num_planned]
    found = duration.estimate(plan, dataset)
    folds, again = len(dataset.folds), len(found.again)
    # Of equal models the one with the longest windows: it needs the most memory.
    largest = max(trials, key=lambda trial: (planned_size(plan, trial)[0], trial.hparams.sequence_length))
    parameters, size_mib = planned_size(plan, largest)
    longest = max(range(len(trials)), key=lambda index: found.by_trial[index])
    memory_mib = _memory_mib(largest, plan, dataset)
    machine_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / BYTES_PER_MIB
    too_much = f" - MORE THAN THE {machine_mib:.0f} MiB OF THIS MACHINE" if memory_mib > machine_mib else ""
    saved = f" at most; {plan.search.scheduler} trains about {found.share:.0%} of them" if found.share < 1 else ""
    return "\n".join(
        [
            announce(plan, dataset),
            "",
            *configurations(trials, found.by_trial),
            "",
            f"configurations  {len(trials)}",
            f"trainings       {(len(trials) + again) * folds} ({folds} folds each)",
            *([f"repeats         {again} of them, counted with each network's longest"] if again else []),
            f"epochs          {(len(trials) + again) * folds * plan.protocol.epochs}{saved}",
            f"refused points  {len(plan.refused)}",
            f"largest         {largest.network} {describe(largest.hparams)}:"
            f" {parameters:,} parameters, {size_mib:.2f} MiB,"
            f" about {memory_mib:.0f} MiB of memory while its {folds} folds train{too_much}",
            f"longest         {trials[longest].network} {describe(trials[longest].hparams)}:"
            f" about {duration.in_words(found.by_trial[longest])}",
            f"estimate        {duration.in_words(found.seconds)} on a machine like this"
            f" ({number_of(found.cores, 'core')}, {number_of(found.at_once, 'trial')} at once); from {_source(plan)}",
            *gpu_duration.in_words(plan, dataset, trials),
            "nothing was trained or written",
        ]
    )


def _source(plan: Plan) -> str:
    """Return what the estimate is from."""
    if plan.search.gpus_per_trial and plan.images is None and plan.federation is None:
        return "packs measured on another GPU"
    return "a calibration of a few steps, no GPU considered"


def configurations(trials: Sequence[Trial], seconds: Sequence[float]) -> list[str]:
    """Return a table of the configurations with how long each takes alone; of more than 60 their values by network."""
    known = sorted(hyper_parameters(), key=lambda one: one.about.place)
    if len(trials) > LISTED_CONFIGURATIONS:
        return [line for network in dict.fromkeys(one.network for one in trials) for line in _values(network, trials)]
    heads = ["network", *(one.about.title.lower() for one in known), "alone about"]
    order = sorted(range(len(trials)), key=lambda index: (_place(trials, index), _numbers(trials[index], known)))
    rows = [
        [
            trials[index].network,
            *(f"{value:g}" for value in _numbers(trials[index], known)),
            duration.in_words(seconds[index]),
        ]
        for index in order
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows]
    ]


def _place(trials: Sequence[Trial], index: int) -> int:
    """Return where a trial's network comes first."""
    return next(place for place, one in enumerate(trials) if one.network == trials[index].network)


def _numbers(trial: Trial, known: Sequence[HyperParameter]) -> list[float]:
    return [getattr(trial.hparams, one.name) for one in known]


def _values(network: str, trials: Sequence[Trial]) -> list[str]:
    """Return a line: how many configurations of a network, and all values of each hyper-parameter among them."""
    alike = [one.hparams for one in trials if one.network == network]
    parts = [
        f"{one.about.title.lower()} {' '.join(f'{value:g}' for value in sorted({getattr(h, one.name) for h in alike}))}"
        for one in sorted(hyper_parameters(), key=lambda one: one.about.place)
    ]
    return [f"{network} {len(alike)}: {'; '.join(parts)}"]


def _memory_mib(trial: Trial, plan: Plan, dataset: Dataset) -> float:
    """Estimate a trial's memory: the process, the windows, k models with Adam, and one step's activations."""
    cell = network_of(trial.network)
    copies = ADAM_COPIES + (plan.protocol.epoch_choice != "last")
    windows = dataset.num_frames * plan.corpus.features * 4 / BYTES_PER_MIB
    width = trial.hparams.hidden_size * cell.directions * (cell.gates + 1)
    frames = plan.protocol.windows_a_step * trial.hparams.sequence_length
    activations = 2 * 4 * frames * trial.hparams.num_layers * width / BYTES_PER_MIB
    return WORKER_MIB + windows + len(dataset.folds) * copies * planned_size(plan, trial)[1] + activations
