"""A draft of a data protection impact assessment (GDPR, Article 35(7)), filled with what a run's records say.

Risks are in the order of the three tests of anonymity: singling out, linking, inference (audit/records.py).
"""

from orchestrator.audit.output import with_ends
from orchestrator.audit.records import DEFENCE, TEST_TITLES, TESTS, Attack, Audit
from orchestrator.audit.verdict import DIAGNOSTIC, DIAGNOSTIC_RULE, NOT_MEASURED, RULE
from orchestrator.report.papers.material import NOT_RECORDED, Material, blank, table

_RISKS = ("attack", "statistic", "value [95 % over people]", "chance", "people", "verdict")


def impact_assessment(material: Material) -> str:
    """Return the draft as Markdown."""
    lines = [
        *material.head("Data protection impact assessment: draft"),
        "## 1. The processing (Article 35(7)(a))",
        "",
        f"Purpose: {blank('the study, its question, who benefits')}",
        "",
        *_flow(material),
        "### People",
        "",
        f"{material.people}. {blank('who they are, how they were recruited, vulnerable people among them')}",
        "",
        "### Where copies lie",
        "",
        *table(("what", "where", "size"), [(one.what, one.path, one.size) for one in material.places]),
        f"Retention: {blank('how long each of these is kept, who deletes it')}. Backups: {blank('where, how long')}.",
        "",
        "## 2. Necessity and proportion (Article 35(7)(b))",
        "",
        blank("why less data, fewer people, or no faces at all would not do; legal basis; how people consent"),
        "",
        "## 3. Measured risks to people (Article 35(7)(c))",
        "",
        *_risks(material),
        "## 4. Measures (Article 35(7)(d))",
        "",
        *_measures(material),
        "## 5. Opinions and decision",
        "",
        f"People or their representatives (35(9)): {blank('what they said')}",
        "",
        f"Data protection officer (35(2)): {blank('advice and date')}",
        "",
        f"Decision: {blank('go on, change, or consult the supervisory authority (36); name and date')}",
        "",
    ]
    return "\n".join(lines)


def _flow(material: Material) -> list[str]:
    """Return the way of the data, by the run's own method, protocol and federation."""
    plan, steps = material.plan, []
    if plan.images is not None:
        one = plan.images
        steps.append(("pictures", f"{one.image_size} x {one.image_size} pixels, every {one.frame_stride}. frame,"
                      f" face crop {one.face_crop}, ResNet18 {one.backbone}"))  # fmt: skip
    else:
        steps.append(("features", f"{plan.corpus.features} columns per frame"))
    steps.append(("labels", f"valence and arousal, gold standard {plan.protocol.gold}"))
    steps.append(("scaling", f"{plan.protocol.scaling}; defence {plan.protocol.defence or 'none'}"))
    if plan.federation is None:
        steps.append(("training", "central: everybody's features and labels meet on one machine"))
    else:
        one_round = f"aggregator {plan.federation.aggregator}, local epochs per round: {plan.federation.local_epochs}"
        sums = "secure sums: the server learns sums of clients only" if plan.federation.secure_sum else "no secure sums"
        steps.append(("training", f"federated: each participant's data stay with a client; {one_round}; {sums}"))
        record = material.summary.federation if material.summary else None
        if record is None:
            steps.append(("sent", NOT_RECORDED))
        else:
            sent = f"{record.bytes_up:,} bytes by {record.clients} clients, {record.bytes_down:,} bytes to them"
            steps.append(("sent", f"{sent}, in {record.rounds} rounds of each fold"))
            if record.left_apart is not None:
                steps.append(("beside the sums", "; ".join(record.left_apart) or "nothing"))
    steps.append(("leaves a participant's machine", material.leaves))
    return table(("data flow", "in this run"), steps)


def _risks(material: Material) -> list[str]:
    lines = []
    for test, title in TEST_TITLES.items():
        own = [one for one in material.audit.attacks if one.attack in TESTS[test]] if material.audit else []
        lines += [f"### {title}", ""]
        lines += (
            table(_RISKS, [_row(one) for one in own]) if own else [f"{NOT_MEASURED[0].upper()}{NOT_MEASURED[1:]}.", ""]
        )
    if material.audit is None:
        lines += [f"This run has no audit: `python -m orchestrator audit {material.run}` makes one.", ""]
    else:
        lines += _caveats(material, material.audit)
        left_out = [f"- not measured: {name}: {why}" for name, why in material.audit.skipped.items()]
        lines += [*left_out, ""] if left_out else []
    attacks = material.audit.attacks if material.audit else ()
    rules = [RULE, *([DIAGNOSTIC_RULE] if any(one.verdict == DIAGNOSTIC for one in attacks) else [])]
    return [*lines, f"Rule of the verdicts: {'; '.join(rules)}. No attack is the strongest there is.", "",
            blank("other risks: discrimination, wrong estimates, misuse; how likely, how grave"), ""]  # fmt: skip


def _caveats(material: Material, audit: Audit) -> list[str]:
    """Return what keeps the audit from being of this run as it is: it was broken off, or the best model is another."""
    again = f"`python -m orchestrator audit {material.run}`"
    own, attacked = material.card.get("uid") if material.card else None, audit.subject.get("model")
    lines = []
    if not audit.finished:
        lines += [f"The audit was broken off, so that attacks are missing: {again} goes on.", ""]
    if own is not None and attacked is not None and own != attacked:
        text = f"What was found of a model is of configuration {attacked}; this run's best is now {own}: {again} again."
        lines += [text, ""]
    return lines


def _row(one: Attack) -> tuple[object, ...]:
    chance = "-" if one.main.chance is None else f"{one.main.chance:.3f}"
    return one.name, one.main.name, with_ends(one.main), chance, one.people, one.verdict


def _measures(material: Material) -> list[str]:
    defences = [one for one in material.audit.attacks if one.attack == DEFENCE] if material.audit else []
    lines = [f"In this run: {material.plan.protocol.defence or 'no defence of the features'}.", ""]
    if defences:
        lines += [
            "What defences would save, on this run's recordings:",
            "",
            *table(_RISKS, [_row(one) for one in defences]),
        ]
    return [
        *lines,
        "When a person withdraws: `python -m orchestrator data forget PARTICIPANT`; weights and scores stay.",
        "",
        blank("access control, encryption, pseudonyms and who keeps the key, contracts, training of staff"),
        "",
    ]
