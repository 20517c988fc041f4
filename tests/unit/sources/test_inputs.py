"""What resources note of what they read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loading import Site

import ladle
from ladle.errors import CurrentSourceNotAvailable, UsageError
from ladle.schema.provenance import Input
from ladle.sources.inputs import MAX_INPUTS, Inputs


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def test_the_same_input_is_kept_once_with_all_its_rows() -> None:
    inputs = Inputs()
    inputs.add("r", "s3://b/a.csv", rows=2, facets={"etag": "x"})
    inputs.add("r", "s3://b/a.csv", rows=3, facets={"page": 2})
    inputs.add("other", "s3://b/a.csv")
    assert inputs.found == (
        Input("r", "s3://b", "a.csv", 5, {"etag": "x", "page": 2}),
        Input("other", "s3://b", "a.csv"),
    )


def test_the_first_of_each_resource_are_kept_and_the_others_counted() -> None:
    inputs = Inputs()
    for number in range(MAX_INPUTS + 3):
        inputs.add("r", f"{number}.csv")
    inputs.add("r", "0.csv", rows=1)
    inputs.add("other", "a.csv")
    assert len(inputs.found) == MAX_INPUTS + 1
    assert inputs.found[0].rows == 1
    assert inputs.left_out == {"r": 3}


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_name_is_a_text(name: object) -> None:
    with pytest.raises(UsageError, match="can't be named"):
        Inputs().add("r", name)  # type: ignore[arg-type]


def test_facets_are_plain_values() -> None:
    with pytest.raises(UsageError, match=r"what is noted of input `a\.csv` can't be stored"):
        Inputs().add("r", "a.csv", facets={"x": object()})


def test_outside_of_a_resource_there_is_nothing_to_note_for() -> None:
    with pytest.raises(CurrentSourceNotAvailable):
        ladle.current.note_input("a.csv")


def test_read_without_a_pipeline_nothing_is_noted() -> None:
    @ladle.resource
    def rows():
        ladle.current.note_input("a.csv")
        yield {"a": 1}

    assert list(rows()) == [{"a": 1}]


def noted(site: Site) -> list[tuple[object, ...]]:
    return site.query(
        "SELECT resource, source, namespace, name, row_count FROM ds._ladle_inputs ORDER BY ALL"
    )


def test_inputs_of_functions_threads_transformers_files_and_relations_are_stored(site: Site) -> None:
    @ladle.resource(selected=False)
    def pages():
        ladle.current.note_input("https://h/list")
        yield {"id": 1}

    @ladle.transformer(data_from=pages)
    def details(page):
        ladle.current.note_input(f"https://h/detail/{page['id']}", rows=1)
        yield page

    @ladle.resource(parallelized=True)
    def beside():
        ladle.current.note_input("t", "postgres://db:5432")
        yield {"a": 1}

    @ladle.resource
    async def later():
        ladle.current.note_input("s3://b/k")
        yield {"a": 1}

    file = site.root / "a.csv"
    file.write_text("x,y\n1,2\n3,4\n")

    @ladle.resource
    def imported():
        yield ladle.mark.with_file_import(file, "csv")

    known = ladle.resource([{"a": 1}], name="known").add_input("s3://b/known.json")
    site.pipeline().run([details, beside, later, imported, known])
    assert noted(site) == [
        ("beside", "p", "postgres://db:5432", "t", None),
        ("details", "p", "https://h", "/detail/1", 1),
        ("imported", "p", "file", str(file), 2),
        ("known", "p", "s3://b", "known.json", None),
        ("later", "p", "s3://b", "k", None),
        ("pages", "p", "https://h", "/list", None),
    ]

    dataset = site.pipeline().dataset()
    joined = dataset("SELECT d.id FROM details d JOIN beside b ON b.a = d.id")
    site.pipeline("copy").run(joined, table_name="copied")
    assert sorted(row for row in noted(site) if row[1] == "copy") == [
        ("copied", "copy", "duckdb://memory", "memory.ds.beside", None),
        ("copied", "copy", "duckdb://memory", "memory.ds.details", None),
    ]


def test_a_relation_that_a_function_yields_is_noted(site: Site) -> None:
    site.load([{"a": 1}], "t")
    dataset = site.pipeline().dataset()

    @ladle.resource
    def copied():
        yield dataset["t"]

    site.pipeline().run(copied)
    assert [row[3] for row in noted(site)] == ["memory.ds.t"]


def test_what_is_left_out_is_told(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    @ladle.resource
    def rows():
        for number in range(MAX_INPUTS + 2):
            ladle.current.note_input(f"{number}.csv")
        yield {"a": 1}

    site.pipeline().run(rows)
    assert len(noted(site)) == MAX_INPUTS
    assert "resource `rows` noted 2 more inputs than are kept (1,000)" in caplog.text


def test_without_inputs_there_is_no_table(site: Site) -> None:
    site.load([{"a": 1}], "t")
    assert "_ladle_inputs" not in site.names()


def test_recording_can_be_turned_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMALIZE__RECORD_INPUTS", "false")
    known = ladle.resource([{"a": 1}], name="known").add_input("s3://b/known.json")
    site.pipeline().run(known)
    assert "_ladle_inputs" not in site.names()


def test_a_load_that_only_reads_another_input_changes_no_schema(site: Site) -> None:
    def run(name: str) -> None:
        site.pipeline().run(ladle.resource([{"a": 1}], name="t").add_input(name))

    run("a.csv")
    version = site.pipeline().default_schema.version
    run("b.csv")
    assert [row[3] for row in noted(site)] == ["a.csv", "b.csv"]
    assert site.pipeline().default_schema.version == version
    changes = site.query("SELECT count(DISTINCT _dlt_load_id) FROM ds._ladle_changes")
    assert changes == [(1,)]


def test_secrets_of_what_is_noted_are_written_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    canary = "c4n4ry"
    site = Site(tmp_path)

    @ladle.resource
    def rows():
        ladle.current.note_input(
            f"https://me:{canary}@h/x?api_key={canary}&page=1", headers={"Authorization": canary}
        )
        ladle.current.note_input("t", f"postgres://me:{canary}@db:5432", dsn=f"postgres://me:{canary}@db/x")
        yield {"a": 1}

    info = site.pipeline().run(ladle.resource(rows).add_input(f"s3://b/k?X-Amz-Signature={canary}"))
    assert len(noted(site)) == 3
    shown = [caplog.text, str(info), repr(site.pipeline().lineage().inputs().to_pylist())]
    kept = [p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file()]
    assert all(canary not in text for text in (*shown, *kept))
