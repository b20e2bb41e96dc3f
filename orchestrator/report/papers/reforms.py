"""The 32 items of REFORMS, in our words, with what a run's records answer; the others only the authors can answer.

Source: Kapoor et al. 2024, REFORMS: Consensus-based Recommendations for Machine-learning-based Science, Science
Advances 10(18), eadk3452, Table 1.
"""

from collections.abc import Callable, Mapping

from orchestrator.evaluation.answer import answer
from orchestrator.json_records import number
from orchestrator.protocols import DIMENSIONS
from orchestrator.report.papers.material import NOT_RECORDED, Material, table
from tune_spaces.method import describe

ONLY_AUTHORS = "only the authors can answer"
MODULES: Mapping[str, Mapping[str, str]] = {
    "1. Study goals": {
        "1a": "whom the claim is about",
        "1b": "why them",
        "1c": "why machine learning",
    },
    "2. Reproduction by computer": {
        "2a": "the data, with a permanent address",
        "2b": "the code, in the version used",
        "2c": "machines and software",
        "2d": "instructions to make the results again",
        "2e": "a script that makes all results",
    },
    "3. Quality of the data": {
        "3a": "where, when and by whom data and labels were made",
        "3b": "what the sample was drawn from",
        "3c": "why these data suit the question",
        "3d": "what is predicted, and how it is distributed",
        "3e": "how many samples, of how many people",
        "3f": "how much is missing",
        "3g": "why the sample stands for those of 1a",
    },
    "4. Preparation of the data": {
        "4a": "what was left out, and why",
        "4b": "what became of impossible and corrupt values",
        "4c": "every change between the raw data and the model's input",
    },
    "5. Models": {
        "5a": "all models: inputs, kind, loss",
        "5b": "why these kinds of models",
        "5c": "how they were evaluated: splits or folds",
        "5d": "how the reported model was chosen",
        "5e": "how hyper-parameters were searched",
        "5f": "baselines, and that they are fair ones",
    },
    "6. Leakage": {
        "6a": "nothing of the test people in preparation and training",
        "6b": "samples that depend on each other, duplicates",
        "6c": "no input gives the answer away",
    },
    "7. Scores and their uncertainty": {
        "7a": "all measures, and why the choosing one suits",
        "7b": "intervals, and how they are made",
        "7c": "tests, and their assumptions",
    },
    "8. How far it holds": {
        "8a": "evidence beyond this sample",
        "8b": "where it is not expected to hold",
    },
}


def reforms(material: Material) -> str:
    """Return the checklist as Markdown: by module each item with an answer, or with whose answer it needs."""
    answers = {item: text for item, make in ANSWERS.items() if (text := make(material)) is not None}
    number_of_items = sum(len(items) for items in MODULES.values())
    lines = [
        *material.head("REFORMS checklist"),
        f"{len(answers)} of {number_of_items} items are answered from the records, at least in part; check them."
        " Items in our words; the authors' are in Kapoor et al. 2024, Science Advances 10(18), eadk3452.",
        "",
    ]
    for module, items in MODULES.items():
        lines += [f"## {module}", ""]
        rows = [(item, what, answers.get(item, f"[{ONLY_AUTHORS}]")) for item, what in items.items()]
        lines += table(("item", "what", "answer"), rows)
    return "\n".join(lines)


def _data(material: Material) -> str:
    corpus = material.plan.corpus
    return f"{corpus.kind}, sha256 of the contents {corpus.sha256}; [permanent address: {ONLY_AUTHORS}]"


def _code(material: Material) -> str:
    version = material.plan.versions.get("affect-orchestrator", NOT_RECORDED)
    return f"affect-orchestrator {version}, commit {material.plan.git_commit or NOT_RECORDED}"


def _machines(material: Material) -> str:
    software = ", ".join(f"{name} {one}" for name, one in material.plan.versions.items())
    summary = material.summary
    seconds = None if summary is None else number(summary.wall_seconds) or number(summary.search_seconds)
    took = NOT_RECORDED if seconds is None else f"{seconds / 60:,.1f} minutes"
    return f"{software}; took {took}; [processor, memory, operating system: {ONLY_AUTHORS}]"


def _instructions(material: Material) -> str:
    plan = material.plan
    return (
        f"plan.json has every choice (command `{plan.command}`, method `{plan.method}`, seed {plan.seed}); equal plan,"
        " contents and seed give equal bits on a CPU"
    )


def _predicted(material: Material) -> str:
    protocol = material.plan.protocol
    parts = [f"valence and arousal in [-1, 1], gold standard {protocol.gold}, delay {protocol.label_delay_seconds:g} s"]
    labels = (material.card or {}).get("labels") or ()  # of a federation nobody knows them
    for d, dimension in enumerate(DIMENSIONS if labels else ()):
        means = ", ".join(f"{one['mean'][d]:.3f} ({one['sd'][d]:.3f})" for one in labels)
        parts.append(f"training {dimension} by fold, mean (deviation): {means}")
    return "; ".join(parts)


def _samples(material: Material) -> str:
    frames = [number(one.get("frames")) for one in material.recordings.values()]
    total = f"{sum(int(one or 0) for one in frames):,} frames" if frames else f"frames {NOT_RECORDED}"
    return f"{material.people}; {total}"


def _missing(material: Material) -> str:
    frames = sum(int(number(one.get("frames")) or 0) for one in material.recordings.values())
    people = None if material.summary is None else material.summary.participants
    if not frames or people is None or material.plan.images is not None or material.summary is None:
        return f"share of frames {NOT_RECORDED}; `data check` lists it"
    if material.summary.forgotten:
        return f"share of frames {NOT_RECORDED} since somebody was removed; `data check` lists it"
    scored = {d: sum(int(one.scores.get(f"num_frames_{d}") or 0) for one in people) for d in DIMENSIONS}
    shares = ", ".join(f"{d} {100 * (1 - scored[d] / frames):.1f} %" for d in DIMENSIONS)
    return f"frames outside the score (no valid face, or no label): {shares}"


def _changes(material: Material) -> str:
    protocol = material.plan.protocol
    return (
        f"scaling {protocol.scaling}, defence {protocol.defence or 'none'}, windows of the sequence length"
        f" ({protocol.partial_window} for the last one), labels {protocol.label_delay_seconds:g} s earlier"
    )


def _models(material: Material) -> str:
    plan = material.plan
    networks = ", ".join(sorted({one.network for one in plan.trials}))
    return f"{networks} on {plan.method}, {plan.corpus.features} inputs, loss {plan.protocol.loss}"


def _evaluation(material: Material) -> str:
    protocol = material.plan.protocol
    groups = f", people of one {protocol.group_by} together" if protocol.group_by else ""
    return f"{protocol.num_folds} folds by participant{groups}; nobody is in two folds; protocol `{protocol.name}`"


def _choice(material: Material) -> str:
    plan, best = material.plan, material.summary.best if material.summary else None
    how = f"least loss, epoch {plan.protocol.epoch_choice}"
    if best is None:
        return f"{how}; nothing has finished"
    optimistic = "; OPTIMISTIC: the reported people chose the epoch" if plan.protocol.optimistic else ""
    return f"{how}: {best.network} {describe(best.hparams)}{optimistic}"


def _search(material: Material) -> str:
    plan, trials = material.plan, material.summary.trials if material.summary else None
    done = f"{trials.finished} finished, {trials.failed} failed, {trials.stopped} stopped" if trials else NOT_RECORDED
    return f"{plan.search.search} with {plan.search.scheduler}, {plan.num_planned} configurations: {done}"


def _baselines(material: Material) -> str | None:
    if material.summary is None:
        return None
    names = ", ".join(material.summary.baseline)
    return f"on the same folds, frames and windows: {names}" if names else "none was computed"


def _no_leakage(material: Material) -> str:
    protocol = material.plan.protocol
    own = "; scaling uses the held-out person's own frames" if protocol.scaling in ("participant", "both") else ""
    chosen = "; OPTIMISTIC: the reported people chose the epoch" if protocol.optimistic else ""
    return f"statistics over people are of training people alone{own}{chosen}; protocol `{protocol.name}`"


def _dependence(material: Material) -> str:
    groups = material.plan.protocol.group_by
    kept = f"so is a whole {groups}" if groups else f"people who met each other may be in two folds [{ONLY_AUTHORS}]"
    return f"all recordings of a person are in one fold; {kept}"


def _measures(material: Material) -> str:
    return f"CCC by frame, of window means and per person, Pearson, MSE, MAE; chosen by {material.plan.protocol.loss}"


def _intervals(material: Material) -> str | None:
    if material.summary is None or material.summary.best is None:
        return None
    found = answer(material.summary)
    return "; ".join(text for word, text in found if word in DIMENSIONS)


def _tests(material: Material) -> str | None:
    if material.summary is None or not material.summary.against_baselines:
        return None
    return "paired over participants against each baseline, Holm's correction; assumptions in docs/statistics.md"


def _beyond(material: Material) -> str:
    made = "SYNTHETIC recordings: none. " if material.plan.corpus.synthetic else ""
    return f"{made}Held-out people of one corpus; `score` measures people of another corpus [{ONLY_AUTHORS}]"


ANSWERS: Mapping[str, Callable[[Material], str | None]] = {
    "2a": _data,
    "2b": _code,
    "2c": _machines,
    "2d": _instructions,
    "3d": _predicted,
    "3e": _samples,
    "3f": _missing,
    "4c": _changes,
    "5a": _models,
    "5c": _evaluation,
    "5d": _choice,
    "5e": _search,
    "5f": _baselines,
    "6a": _no_leakage,
    "6b": _dependence,
    "7a": _measures,
    "7b": _intervals,
    "7c": _tests,
    "8a": _beyond,
}
