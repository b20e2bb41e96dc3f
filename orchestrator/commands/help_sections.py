"""Command lines that can be read: help in sections, not cut short, and options that take no other for their value."""

import itertools

import click

from orchestrator.commands import options as opt
from tune_spaces.method import hyper_parameters

LIMITS = tuple(f"max_{name}" for name in opt.LIMIT_FIELDS)
# Heading -> parameters of it. What is in none of them comes first, under "Options".
SECTIONS = {
    "Recordings": (
        *("data", "corpus", "frame_rate", "time_unit", *LIMITS, "participant_pattern", "label_range", "raters"),
        *("features", "identity"),
    ),
    "What is searched": (
        *("preset", "network", "networks", "published", *(one.name for one in hyper_parameters())),
        *("overrides", "search", "scheduler", "trials", "hours"),
    ),
    "Protocol": ("protocol", *opt.PROTOCOL_FIELDS, "seed", "repeats"),
    "Images": (*opt.IMAGE_FIELDS, "model_file"),
    "Federation": (*opt.FEDERATION_FIELDS, "client_actors", "cpus_per_client", "gpus_per_client", "identities"),
    "Machine": (
        *("backend", "pack", "cpus_per_trial", "gpus_per_trial", "precision", "num_cpus", "address", "storage"),
        *("wait_for_resources", "checkpoint_seconds"),
    ),
    "What is written": ("output", "tracking_uri", "log_model"),
}
FIRST = "Options"
LONGEST = 500  # characters of what a command does


class Listed(click.Group):
    """A group whose commands are listed with their whole first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands; click itself cuts each to what is left of one line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, one.get_short_help_str(LONGEST))
                    for name, one in commands
                    if one is not None and not one.hidden
                ]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a line; a usage error if the name of an option stands for another option's value."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, click.Group):
            _refuse_names_as_values(command, rest, ctx)
        return name, command, rest


def _refuse_names_as_values(command: click.Command, words: list[str], ctx: click.Context) -> None:
    """Refuse `--summary --price-per-hour 2`: click takes any word that follows, and complains of the 2."""
    options = {
        name: one
        for one in command.get_params(ctx)
        if isinstance(one, click.Option)
        for name in (*one.opts, *one.secondary_opts)
    }
    for word, following in itertools.pairwise(words):
        if word == "--":
            return
        one = options.get(word)
        if one is not None and not one.is_flag and not one.count and following in options:
            raise click.BadOptionUsage(
                word, f"Option '{word}' requires an argument; found '{following}', which is an option itself.", ctx
            )


class Sectioned(click.Command):
    """A command whose options stand under headings, each in the order in which they were declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each heading that has some."""
        of = {name: heading for heading, names in SECTIONS.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (FIRST, *SECTIONS)}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is not None:
                rows[of.get(str(one.name), FIRST)].append(record)
        for heading, found in rows.items():
            if found:
                with formatter.section(heading):
                    formatter.write_dl(found)
