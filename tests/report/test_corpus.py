"""A store that holds three corpora: a report is of one, of its best searches, and compares like with like."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fed.options import Federation
from orchestrator.errors import InputError
from orchestrator.report import collect as collecting
from orchestrator.report import make, paper, selection
from orchestrator.report.blocks import Block, headline
from orchestrator.report.collect import Collection, collect
from orchestrator.report.corpora import corpora_of, named_corpus
from orchestrator.report.queries import protocol_label
from orchestrator.report.rendering import BANNER, SYNTHETIC_ROW
from orchestrator.report.search_record import Search
from orchestrator.report.tables import optimism
from orchestrator.tracking.reader import RecordedRun, StoreReader
from tests.conftest import LEFT_OPEN, Run
from tests.report.made_runs import RECOLA, WINDOW_GAIN, valence
from tests.report.page import Page, ShownCell

pytestmark = LEFT_OPEN
Rows = list[dict[str, ShownCell]]


def collected(uri: str, folder: Path, *, runs: tuple[str, ...] = (), corpus: str | None = None) -> Collection:
    return collect(StoreReader(uri, folder), (), runs, corpus)


def names(collection: Collection) -> set[str]:
    """The folders of the searches that are reported."""
    return {one.run.tags["name"] for one in collection.listed if one.reported}


def run_id(collection: Collection, name: str) -> str:
    return next(one.run.run_id for one in collection.listed if one.run.tags["name"] == name)


@pytest.fixture(scope="module")
def pages(three_corpora: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Page, str]]:
    """The page and the Markdown of a report of each corpus; "" is of the one that no option names."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "draw_all", lambda _: ())
        for corpus in ("", "RECOLA", "own.csv", "cccc"):
            output = tmp_path_factory.mktemp("pages") / "report"
            make.make_report(three_corpora, (), (), output, corpus=corpus or None)
            texts = [(output / name).read_text(encoding="utf-8") for name in ("report.html", "report.md")]
            found[corpus] = Page(texts[0]), texts[1]
    return found


def rows_of(page: Page, table: str, method: str = "Action Units") -> Rows:
    """The rows of a method, whose name stands in the first row of each of its blocks."""
    found, current = [], ""
    for row in page.tables[table].rows:
        if row:
            current = row["method"].text or current
            found += [row] if current == method else []
    return found


def has_number(cell: ShownCell) -> bool:
    return "data-value" in cell.attributes


def test_the_corpus_of_most_finished_searches_is_reported_and_others_are_listed(
    three_corpora: str, pages: dict[str, tuple[Page, str]], tmp_path: Path
) -> None:
    found = collected(three_corpora, tmp_path)
    assert {one.plan["corpus"]["sha256"] for one in found.searches} == {RECOLA["sha256"]}
    assert found.corpus is not None
    assert (found.corpus.names, found.corpus.searches, found.corpus.configurations) == (("RECOLA",), 7, 12)
    assert [(one.names, one.searches) for one in found.others] == [(("own.csv",), 2), (("synthetic",), 1)]
    notes = {one.run.tags["name"]: one.note for one in found.listed}
    assert {notes[name] for name in ("own", "own-federated", "synthetic")} == {"of another corpus than aaaaaaaa"}
    page, markdown = pages[""]
    assert page.tables["table-2"] == pages["RECOLA"][0].tables["table-2"]
    assert "own.csv (table, sha256 bbbbbbbb), finished searches: 2; synthetic (recola, synthetic" in markdown
    recordings = [row["recordings"].text for row in page.tables["searches"].rows if row]
    assert recordings.count("table, own.csv, bbbbbbbb") == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [("bb", {"own", "own-federated"}), ("BBBB", {"own", "own-federated"}), ("synthetic", {"synthetic"})],
)
def test_a_corpus_is_named_by_its_sum_or_its_name(
    three_corpora: str, tmp_path: Path, given: str, expected: set[str]
) -> None:
    assert names(collected(three_corpora, tmp_path, corpus=given)) == expected


def test_a_corpus_that_is_none_or_two_is_refused_with_what_there_is(three_corpora: str, tmp_path: Path) -> None:
    for given in ("", "dd", "own", "aab"):
        with pytest.raises(InputError, match=r"--corpus: found '.*' *[,;].*own\.csv \(table, sha256 bbbbbbbb\)"):
            collected(three_corpora, tmp_path, corpus=given)
    twins = corpora_of([recorded("1", "own.csv"), recorded("2", "own.csv"), recorded("3", "else")], lambda _: True)
    for given in ("own.csv", " own.csv "):
        with pytest.raises(InputError, match=r"own\.csv ?', which is 2 corpora; .*11111111.*22222222"):
            named_corpus(twins, given)
    assert named_corpus(twins, "11").sha256 == "1" * 64
    assert named_corpus(twins, "else").sha256 == "3" * 64
    with pytest.raises(InputError, match=r"--corpus: found ''; expected .*else \(table, sha256 33333333\)"):
        named_corpus([one for one in twins if one.names == ("else",)], "")


def recorded(digit: str, name: str, *, configurations: int = 1, day: int = 1, status: str = "FINISHED") -> RecordedRun:
    return RecordedRun(
        run_id=digit * 32,
        name="",
        experiment="",
        artifact_uri="",
        start_ms=day,
        status=status,
        params={"corpus_path": f"/data/{name}"},
        tags={"corpus_sha256": digit * 64, "corpus": "table"},
        metrics={"trials_finished": configurations},
    )


def test_corpora_are_ordered_by_finished_searches_then_configurations_then_the_latest() -> None:
    runs = [
        *(recorded("1", "few", day=9, status="KILLED", configurations=99) for _ in range(9)),
        recorded("1", "few", day=1),
        recorded("2", "later", day=2),
        recorded("3", "larger", configurations=2),
        *(recorded("4", "most") for _ in range(2)),
    ]
    found = corpora_of(runs, lambda run: run.status == "FINISHED")
    assert [one.names for one in found] == [("most",), ("larger",), ("later",), ("few",)]
    assert [(one.searches, one.configurations) for one in found] == [(2, 2), (1, 2), (1, 1), (1, 1)]


def test_named_runs_are_of_one_corpus(three_corpora: str, tmp_path: Path) -> None:
    found = collected(three_corpora, tmp_path)
    own, synthetic, worse, both = (run_id(found, name) for name in ("own", "synthetic", "bigru-worse", "both"))
    assert names(collected(three_corpora, tmp_path, runs=(own,))) == {"own"}
    with pytest.raises(
        InputError, match=r"--run: found searches of .*expected searches of one corpus; .*: compare RUN RUN"
    ):
        collected(three_corpora, tmp_path, runs=(own, synthetic))
    with pytest.raises(InputError, match=r"--run: found searches of own\.csv.*expected searches of RECOLA"):
        collected(three_corpora, tmp_path, runs=(own,), corpus="RECOLA")
    # Two of equal fields that were named have rows of their own, with a name that tells them apart.
    named = collected(three_corpora, tmp_path, runs=(worse, both)).searches
    assert {protocol_label(one) for one in named} == {f"described, run {one[:8]}" for one in (worse, both)}


def test_each_network_is_of_its_best_finished_search(
    three_corpora: str, pages: dict[str, tuple[Page, str]], tmp_path: Path
) -> None:
    """Not of the latest: a trial run of 2 epochs; not of an interrupted one, whose loss is less."""
    found = collected(three_corpora, tmp_path)
    assert names(found) == {"both", "rnn-better", "published", "strict", "scaled"}
    notes = {one.run.tags["name"]: one.note for one in found.listed}
    assert notes["trial-run"] == "a trial run of 2 epochs; one of 100 is reported"
    both = run_id(found, "both")[:8]
    assert notes["bigru-worse"] == notes["interrupted"] == f"{both} is reported for this method and protocol"
    assert notes["rnn-better"] == f"for rnn alone; else {both} is better"
    rows = rows_of(pages[""][0], "table-2")
    described = {row["network"].text: row for row in rows if row["protocol"].text == "described"}
    assert {name: row["valence_ours"].value for name, row in described.items()} == {
        "BiGRU": valence(0.20),
        "RNN": valence(0.25),
    }
    run = {"BiGRU": "both", "RNN": "rnn-better"}
    table_1 = [row for row in rows_of(pages[""][0], "table-1") if row["protocol"].text == "described"]
    assert [int(row["configurations"].value) for row in table_1] == [2, 1]
    for row in table_1:
        child = row["learning_rate_ours"].attributes["data-run"]
        (search,) = [one for one in found.searches if child in one.run_ids.values()]
        assert search.run_id == run_id(found, run[row["network"].text])
    # What another search of the method and protocol has is not called missing.
    scaled = [row["network"].text for row in rows if row["protocol"].text == "described, scaling train"]
    assert scaled == ["BiGRU"]
    note = next(one for one in pages[""][0].text.splitlines() if one.startswith("Not run, in table-2.csv only"))
    missing = dict(re.findall(r"Action Units, (\w+) \(([^)]*)\)", note))
    assert {name for name, networks in missing.items() if "RNN" in networks} == {"published", "strict"}
    assert protocol_label(headline(found.searches, "au") or found.searches[-1]) == "described"


def test_a_trial_run_is_reported_where_nothing_else_has_its_network(three_corpora: str, tmp_path: Path) -> None:
    found = collected(three_corpora, tmp_path)
    searches = {one.plan["name"]: one for one in found.searches}

    def with_epochs(search: Search, run: str, epochs: int) -> Search:
        return replace(changed(search, "protocol", "epochs", epochs), run_id=run)

    bigru, rnn = searches["scaled"], searches["rnn-better"]
    for group, kept in (
        ([with_epochs(bigru, "a", 100), with_epochs(bigru, "b", 2)], ["a"]),
        ([with_epochs(bigru, "a", 50), with_epochs(bigru, "b", 2)], ["a"]),
        ([with_epochs(bigru, "a", 200), with_epochs(bigru, "b", 100)], ["a", "b"]),  # more than the paper's
        (
            [with_epochs(rnn, "a", 100), with_epochs(changed(bigru, "protocol", "scaling", "participant"), "b", 2)],
            ["a", "b"],
        ),
    ):
        assert [one.run_id for one in selection.select(group)[0]] == kept


def changed(search: Search, part: str, key: str, value: object) -> Search:
    """The search with another value in a part of its plan; "" is the plan itself."""
    return replace(search, plan=search.plan | ({part: {**search.plan[part], key: value}} if part else {key: value}))


def test_a_federation_from_before_a_later_option_is_like_one_that_leaves_it_out(
    three_corpora: str, tmp_path: Path
) -> None:
    (one,) = [one for one in collected(three_corpora, tmp_path).searches if one.plan["name"] == "scaled"]
    new = asdict(Federation(aggregator="trimmed-mean"))
    old = {key: value for key, value in new.items() if not key.startswith("server") and key != "trim_share"}
    assert old.keys() < new.keys()
    before, after = changed(one, "", "federation", old), changed(one, "", "federation", new)
    assert optimism.differences(before, after) == []
    adam = changed(one, "", "federation", asdict(Federation(aggregator="trimmed-mean", server_optimiser="fedadam")))
    assert optimism.differences(before, adam) == ["federation"]


def test_of_equal_losses_a_whole_search_goes_before_a_point_and_then_the_latest(
    three_corpora: str, tmp_path: Path
) -> None:
    (one,) = [one for one in collected(three_corpora, tmp_path).searches if one.plan["name"] == "scaled"]
    later = changed(one, "", "started", "2027-01-01T00:00:00+00:00")
    point = changed(changed(one, "", "started", "2028-01-01T00:00:00+00:00"), "", "command", "evaluate")
    assert Block(searches=(one, later, point)).lead is later
    assert Block(searches=(point, later, one)).best("bigru") is not None
    assert (Block(searches=(point, later, one)).best("bigru") or (None,))[0] is later


def test_a_corpus_of_which_nothing_can_be_read_gives_way_to_the_next(
    three_corpora: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = collecting._search

    def broken(reader: StoreReader, run: RecordedRun, known: Mapping[str, str]) -> Search | str:
        return "plan.json is not in the store" if "RECOLA" in run.params["corpus_path"] else read(reader, run, known)

    monkeypatch.setattr(collecting, "_search", broken)
    found = collected(three_corpora, tmp_path)
    assert names(found) == {"own", "own-federated"}
    notes = {one.run.tags["name"]: one.note for one in found.listed}
    assert notes["both"] == "plan.json is not in the store"
    empty = collected(three_corpora, tmp_path, corpus="RECOLA")  # asked for, so no other takes its place
    assert empty.searches == []
    assert empty.corpus is not None
    assert empty.corpus.names == ("RECOLA",)


def test_a_label_names_every_field_that_is_not_the_protocols_own(three_corpora: str, tmp_path: Path) -> None:
    (one,) = [one for one in collected(three_corpora, tmp_path).searches if one.plan["name"] == "both"]
    for key, value, words in (
        ("scaling", "train", ", scaling train"),
        ("order", "in-order", ", order in-order"),
        ("epoch_choice", "best-on-held-out", ", epoch choice best-on-held-out"),
        ("joining", "mean", ""),  # decides no result
    ):
        assert protocol_label(changed(one, "protocol", key, value)) == f"described{words}"


def test_published_is_compared_by_window_means_and_the_others_by_frames(pages: dict[str, tuple[Page, str]]) -> None:
    page, _ = pages[""]
    theirs = next(row for row in paper.TABLE_2 if (row.method, row.network) == ("au", "bigru"))
    for row in rows_of(page, "table-2"):
        if row["network"].text != "BiGRU":
            continue
        published = row["protocol"].text == "published, optimistic"
        assert row["ccc_of"].text == ("window means" if published else "frames")
        key = "ccc_window_valence" if published else "ccc_valence"
        if "data-run" in row["valence_ours"].attributes:
            assert row["valence_ours"].attributes["data-key"] == key
        assert row["valence_difference"].value == row["valence_ours"].value - theirs.valence
        if published:
            assert row["valence_ours"].value == valence(0.522) + WINDOW_GAIN
    for table in ("table-2", "table-3", "table-4"):
        assert "published is compared by the CCC of window means" in page.tables[table].caption


def test_published_alone_is_compared_by_window_means_in_tables_three_and_four(
    three_corpora: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "draw_all", lambda _: ())
    run = run_id(collected(three_corpora, tmp_path), "published")
    make.make_report(three_corpora, (), (run,), tmp_path / "report")
    page = Page((tmp_path / "report" / "report.html").read_text(encoding="utf-8"))
    (row,) = [row for row in rows_of(page, "table-3") if row["quantity"].text.startswith("Valence")]
    assert row["quantity"].text == "Valence CCC of window means"
    assert row["value_ours"].value == valence(0.522) + WINDOW_GAIN
    ours = [row for row in page.tables["table-4"].rows if row and row["ccc_of"].text == "window means"]
    assert {row["valence_ours"].value for row in ours} == {valence(0.522) + WINDOW_GAIN}


def test_differences_to_the_paper_are_of_its_people_alone(pages: dict[str, tuple[Page, str]]) -> None:
    def differences(corpus: str) -> list[str]:
        page, _ = pages[corpus]
        found = [
            cell
            for name in ("table-1", "table-2", "table-3", "table-4")
            for row in page.tables[name].rows
            for column, cell in row.items()
            if column.endswith("_difference")
        ]
        return [cell.text for cell in found if has_number(cell)]

    assert any(has_number(row["valence_ours"]) for row in rows_of(pages["own.csv"][0], "table-2"))
    assert differences("own.csv") == []
    assert not any("(" in text for text in differences("RECOLA"))
    assert len(differences("RECOLA")) > 20
    assert all(text.startswith("(") for text in differences("cccc"))
    for table in ("table-1", "table-2", "table-3", "table-4"):
        assert "for recordings of RECOLA and AVEC alone" in pages["own.csv"][0].tables[table].caption


def test_a_banner_stands_over_reported_synthetic_searches_only(pages: dict[str, tuple[Page, str]]) -> None:
    for corpus in ("", "own.csv"):
        page, markdown = pages[corpus]
        assert any("synthetic" in row["recordings"].text for row in page.tables["searches"].rows if row)
        assert BANNER not in page.text
        assert BANNER not in markdown
        assert "In brackets" not in page.text
    page, markdown = pages["cccc"]
    shown = {"results", "table-1", "table-2", "table-3", "table-4", "optimism", "measures", "searches"}
    assert {name for name, table in page.tables.items() if BANNER in table.caption} == shown
    assert markdown.count(BANNER) == 1 + len(shown)
    assert SYNTHETIC_ROW.startswith("synthetic")


def test_the_head_of_published_is_said_and_that_of_described_is_not(pages: dict[str, tuple[Page, str]]) -> None:
    (line,) = [line for line in pages[""][1].splitlines() if line.startswith("- Head, ")]
    assert line.startswith("- Head, published, ")
    assert "10 neurons, ReLU and 2 outputs per frame, averaged over the window; the authors' uploaded code" in line


def test_optimism_is_of_searches_that_differ_in_the_choice_alone(pages: dict[str, tuple[Page, str]]) -> None:
    """The described search with strict's scaling stands beside it, not the better one with another scaling."""
    page, markdown = pages[""]
    for row in rows_of(page, "optimism"):
        assert row["described_reported"].value == valence(0.24)
        assert row["described_optimism"].value == valence(0.24) - valence(0.28)
        assert row["published_optimism"].text == "not alike"
    assert "- Action Units, of: described, scaling train" in markdown
    assert (
        "published − strict: not alike in label decimals, label rounding, order, partial window, scaling, target"
        in markdown
    )


@pytest.mark.parametrize(
    ("part", "key", "value", "word"),
    [
        ("protocol", "scaling", "participant", "scaling"),
        ("protocol", "target", "window-mean", "target"),
        ("protocol", "windows_a_step", 1, "batch size"),
        ("protocol", "order", "in-order", "order"),
        ("protocol", "partial_window", "drop", "partial window"),
        ("protocol", "field_of_a_newer_version", True, "field of a newer version"),
        ("protocol", "epochs", 2, "epochs"),
        ("corpus", "sha256", "d" * 64, "corpus"),
        ("", "seed", 1, "seed"),
        ("", "trials", [], "grid"),
        ("protocol", "epoch_choice", "best-on-held-out", ""),
        ("protocol", "joining", "mean", ""),
    ],
)
def test_what_makes_two_searches_unlike(
    three_corpora: str, tmp_path: Path, *, part: str, key: str, value: object, word: str
) -> None:
    searches = {one.plan["name"]: one for one in collected(three_corpora, tmp_path).searches}
    scaled, strict = searches["scaled"], searches["strict"]
    assert optimism.differences(scaled, strict) == []
    assert optimism.differences(changed(scaled, part, key, value), strict) == ([word] if word else [])


def test_a_score_is_corrected_where_something_was_selected(pages: dict[str, tuple[Page, str]]) -> None:
    for row in rows_of(pages["RECOLA"][0], "optimism"):
        assert row["described_corrected"].value == valence(0.24) - 0.01  # two configurations
        assert row["published_corrected"].text == "not valid"  # the reported fold chose the epoch
    for row in rows_of(pages["own.csv"][0], "optimism"):
        assert has_number(row["described_reported"])
        assert row["described_corrected"].text == "nothing selected"  # one configuration


def test_the_command_names_the_corpus_and_the_others(three_corpora: str, run_here: Run, tmp_path: Path) -> None:
    done = run_here("report", "--tracking-uri", three_corpora, "--corpus", "own.csv", "--output", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    assert "corpus: own.csv (table, sha256 bbbbbbbb)" in done.stdout
    assert (
        "other corpora in the store (--corpus chooses one): RECOLA (recola, sha256 aaaaaaaa); synthetic" in done.stdout
    )
    assert "2 searches reported" in done.stdout
    assert done.stderr.count("not reported: ") == 9
