"""A notice for the people who are recorded or exposed: AI Act, Article 50(3); GDPR, Article 13. A template with blanks.

Source: Regulation (EU) 2024/1689 (OJ L, 2024/1689, 12.7.2024); Regulation (EU) 2016/679 (OJ L 119, 4.5.2016).
"""

from orchestrator.evaluation.use_statement import PROHIBITED
from orchestrator.report.papers.material import Material, blank, table


def notice(material: Material) -> str:
    """Return the notice as Markdown: what the run knows, blanks for what only a person knows."""
    plan = material.plan
    video = "video of the face" if plan.images is not None else "facial measurements that a tool took from video"
    rows = [
        ("Who is responsible, and how they are reached (GDPR 13(1)(a))", blank("name, address, e-mail")),
        ("Data protection officer (13(1)(b))", blank("contact, or that there is none")),
        ("Purpose (13(1)(c))", f"research on valence and arousal; {blank('the study and its question')}"),
        ("Legal basis (13(1)(c), 13(1)(d))", blank("consent, or another basis; for faces also Article 9(2)")),
        ("What is recorded", f"{video}, and labels of valence and arousal; {blank('anything else, such as sound')}"),
        ("What leaves a participant's machine", material.leaves),
        ("Who receives it (13(1)(e))", blank("people and institutions, processors")),
        ("Transfers outside the EU (13(1)(f))", blank("where to and on what ground, or none")),
        ("How long it is kept (13(2)(a))", blank("a date or a rule")),
        (
            "Rights (13(2)(b))",
            "access, correction, erasure, restriction, objection, portability; see below for erasure",
        ),
        ("Withdrawing consent (13(2)(c))", blank("how, and until when it has an effect on a published result")),
        ("Complaint (13(2)(d))", blank("the supervisory authority")),
        ("Whether taking part is required (13(2)(e))", blank("it is voluntary, and refusing has no consequence")),
        ("Automated decisions (13(2)(f))", f"none is intended; {blank('confirm, or describe')}"),
    ]
    lines = [
        *material.head("Notice: a system that recognises emotions"),
        "Template for people who are recorded, and for people on whom the system is used. "
        + blank("adapt to those who read it; a language that they speak, before they are exposed"),
        "",
        "## A system that recognises emotions is in use",
        "",
        "From your face a computer program estimates how pleasant (valence) and how excited (arousal) you seem, several"
        " times per second. Who operates such a system has to tell the people who are exposed to it, and to process"
        " their data by the GDPR (AI Act, Article 50(3)). The estimates can be wrong, and say nothing certain about"
        " what you feel.",
        "",
        PROHIBITED,
        "",
        "## What you are entitled to know",
        "",
        *table(("what", "answer"), rows),
        "## If you withdraw",
        "",
        "Your recordings can be deleted, and your predictions and sums removed from the results' files. What a model"
        " has learnt cannot be taken out of it; only training without you does that. Scores that you were counted in"
        " stay.",
        "",
    ]
    return "\n".join(lines)
