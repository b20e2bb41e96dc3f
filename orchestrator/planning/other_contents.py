"""Why the recordings of a resumed run are not those that it began with."""

from orchestrator.corpora.outline import changed_since, counts_differ, differences, digest_of_files
from orchestrator.corpora.reading import READ_ANEW_IN
from orchestrator.corpora.recording import Corpus
from orchestrator.errors import InputError
from orchestrator.planning.plan import Plan


def other_contents(plan: Plan, corpus: Corpus) -> InputError:
    """Return whether the files were changed or are read otherwise than when the run began, and in what."""
    then = plan.corpus.read
    if then is not None:
        what = differences(then, corpus)
        read_otherwise = then["version"] != READ_ANEW_IN and then["files"] == digest_of_files(corpus.path)
        newer = None
    else:
        known = ("participants", "features", "longest") if plan.images is None else ("participants", "longest")
        what = counts_differ(corpus, **{name: getattr(plan.corpus, name) for name in known})
        newer = changed_since(corpus.path, plan.started)
        read_otherwise = newer is None
    begun = plan.versions.get("affect-orchestrator", "an earlier version")
    if read_otherwise:
        return InputError.of(
            plan.corpus.path,
            found=f"files that are read differently since version {READ_ANEW_IN}: {what}",
            expected=f"what {begun} read when the run began; go on with that version, or begin a new run",
        )
    since = f"; {newer} is newer than the run" if newer else ""
    return InputError.of(
        plan.corpus.path,
        found=f"contents with sha256 {corpus.sha256[:12]}: {what}{since}",
        expected=f"{plan.corpus.sha256[:12]}, as when the run began; results of two corpora do not mix",
    )
