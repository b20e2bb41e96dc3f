"""What this software and its models may and may not be used for: one dated text, for cards, exports and reports.

Source: Regulation (EU) 2024/1689 as published (OJ L, 2024/1689, 12.7.2024). Whoever changes the text changes its date.
"""

STATEMENT_KEY = "use_statement"  # in a card, and in what is exported with a model; cards of before have none
STATEMENT_DATE = "2026-11-27"

RESEARCH_ONLY = "Research use only."
INTENDED_USE = "Research on continuous valence and arousal from facial behaviour, on recordings made with consent."
NOT_FOR = "Not for decisions about people."
PROHIBITED = (
    "In the European Union it is prohibited to infer emotions of people at work and in education, except for medical or"
    " safety reasons (AI Act, Regulation (EU) 2024/1689, Article 5(1)(f))."
)
TOLD = "Who deploys emotion recognition has to tell the people who are exposed to it that it operates (Article 50(3))."
NO_ADVICE = "By the text published on 12 July 2024; later changes are not considered. This is not legal advice."

STATEMENT = (
    f"Statement of use of {STATEMENT_DATE}. {RESEARCH_ONLY} Intended use: {INTENDED_USE} {NOT_FOR} {PROHIBITED} {TOLD}"
    f" {NO_ADVICE}"
)
