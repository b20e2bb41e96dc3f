"""The command `papers`: drafts of the documents that a study has to have, filled from a run. Nothing heavy."""

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator.commands import options as opt
from orchestrator.commands.option_types import RunFolder
from orchestrator.errors import InputError


@click.command()
@click.argument("run", type=RunFolder())
@opt.output_option(help="A new folder for the papers.")
def papers(run: Path, output: Path) -> None:
    """Write drafts from a run's records: notice.md, impact_assessment.md, reforms.md. Not legal advice.

    A notice for the people, a data protection impact assessment, the REFORMS checklist; blanks where only a person
    knows.
    """
    from orchestrator.files import write_text
    from orchestrator.output_checks import check_output_folder
    from orchestrator.report.papers.impact_assessment import impact_assessment
    from orchestrator.report.papers.material import material_of
    from orchestrator.report.papers.notice import notice
    from orchestrator.report.papers.reforms import reforms
    from orchestrator.run_folder import new_folder

    check_output_folder("--output", output, inputs={"RUN": run})
    material = material_of(run, date=datetime.now(UTC).strftime("%Y-%m-%d"))
    texts = {f"{make.__name__}.md": make(material) for make in (notice, impact_assessment, reforms)}
    try:
        with new_folder(output):
            for name, text in texts.items():
                write_text(output / name, text)
    except OSError as error:
        found = f"{output}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a new folder that can be written") from error
    blanks = sum(text.count("[to be filled in: ") for text in texts.values())
    click.echo(f"written to {output}: {', '.join(texts)}; {blanks} blanks to be filled in; not legal advice")
