"""Renames and drops through a pipeline into DuckDB: plan, apply, and what loads do afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.errors import DestinationError, UsageError
from ladle.events import Notice

HOSTILE = ['E-Mail "x"', "select", "naïve ☃", "it's", "a;b--c", "a.b"]
ROWS = [
    {"id": 1, "email": "a", "oops": 3, "pets": [{"name": "x", "toys": [1, 2]}]},
    {"id": 2, "email": "b", "oops": "x"},
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.in_memory(tmp_path)
    site.load(ROWS, "users")
    return site


def values(site: Site) -> dict[str, dict[str, list[Any]]]:
    return {n: {c: t.values(c) for c in t.types} for n, t in site.tables().items()}


def on_record(site: Site) -> list[tuple[Any, ...]]:
    return site.query(
        "SELECT change, table_name, column_name, previous, schema_version FROM ds._ladle_changes "
        "WHERE change NOT LIKE 'add_%' ORDER BY schema_version, _dlt_id"
    )


def test_a_plan_touches_nothing(site: Site) -> None:
    before, version = values(site), site.pipeline().default_schema.version
    plan = site.pipeline().rename_column("users", "email", "mail")
    assert str(plan) == (
        "schema `p`, dataset `ds`:\n"
        "  rename column `email` of table `users` to `mail`\n"
        '    ALTER TABLE "ds"."users" RENAME COLUMN "email" TO "mail"\n'
        "  no value is lost"
    )
    assert values(site) == before
    assert site.pipeline().default_schema.version == version
    assert not site.pipeline().has_pending_data


def test_a_renamed_column_keeps_its_values_and_gets_new_ones(site: Site) -> None:
    site.pipeline().rename_column("users", "email", "mail").apply()
    found = site.load(ROWS, "users")["users"]
    assert found.values("mail") == ["a", "b", "a", "b"]
    assert "email" not in found.columns
    assert on_record(site) == [("rename_column", "users", "mail", "email", 2)]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_will_do(site: Site, name: str) -> None:
    p = site.pipeline()
    p.rename_column("users", "email", name).apply()
    p.rename_table("users", name).apply()
    p.rename_column(f"{name}__pets", "name", name).apply()
    p.run(ROWS, table_name="users")
    with site.open() as db:
        quoted = '"' + name.replace('"', '""') + '"'
        pets = '"' + name.replace('"', '""') + '__pets"'
        assert db.execute(f"SELECT {quoted} FROM ds.{quoted}").fetchall() == [("a",), ("b",)] * 2
        assert db.execute(f"SELECT {quoted} FROM ds.{pets}").fetchall() == [("x",)] * 2
    p.drop_table(name).apply(confirm=True)
    assert site.tables() == {}


def test_a_renamed_table_takes_its_children_along(site: Site) -> None:
    site.pipeline().rename_table("users", "people").apply()
    found = site.load([*ROWS, {"id": 3, "cars": [{"brand": "c"}]}], "users")
    assert {n: len(t.rows) for n, t in found.items()} == {
        "people": 5, "people__cars": 1, "people__pets": 2, "people__pets__toys": 4,
    }  # fmt: skip


@pytest.mark.parametrize("rows", [200, 30_000])
def test_replace_finds_the_renamed_table(site: Site, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "1")
    p = site.pipeline()
    p.rename_table("users", "people").apply()
    p.run(
        ({"id": i, "pets": [{"name": "n"}]} for i in range(rows)),
        table_name="users",
        write_disposition="replace",
    )
    assert {n: len(t.rows) for n, t in site.tables().items()} == {
        "people": rows, "people__pets": rows, "people__pets__toys": 0,
    }  # fmt: skip
    p.run([], table_name="users", write_disposition="replace")
    assert {len(t.rows) for t in site.tables().values()} == {0}


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert", "insert-only"])
def test_merges_find_what_was_renamed(site: Site, strategy: str) -> None:
    p, pets = site.pipeline(), [{"name": "y"}]
    merging: Any = {"disposition": "merge", "strategy": strategy}
    options = {"table_name": "m", "write_disposition": merging, "primary_key": "id"}
    p.run([{"id": 1, "v": "a", "pets": pets}, {"id": 2, "v": "b", "tmp": 1, "pets": pets}], **options)
    p.rename_table("m", "merged").apply()
    p.rename_column("merged", "id", "number").apply()
    p.rename_column("merged", "v", "value").apply()
    p.drop_column("merged", "tmp").apply(confirm=True)
    p.run([{"id": 2, "v": "c", "tmp": 2, "pets": [*pets, *pets]}, {"id": 3, "v": "d"}], **options)
    kept = strategy == "insert-only"
    found = site.table("merged")
    assert {*zip(found.values("number"), found.values("value"), strict=True)} == {
        (1, "a"), (2, "b" if kept else "c"), (3, "d"),
    }  # fmt: skip
    assert len(site.table("merged__pets").rows) == (2 if kept else 3)
    assert not {*site.tables()} & {"m", "m__pets"}
    p.drop_table("merged").apply(confirm=True)
    p.run([{"id": 4, "v": "e"}], **options)
    assert not {*site.tables()} & {"m", "merged"}


def test_frames_go_to_the_renamed_table(site: Site) -> None:
    p = site.pipeline()
    p.rename_column("users", "email", "mail").apply()
    p.rename_table("users", "people").apply()
    p.run(pa.table({"id": [3], "email": ["c"]}), table_name="users")
    assert site.table("people").values("mail") == ["a", "b", "c"]


def test_variants_follow_their_column(site: Site) -> None:
    site.pipeline().rename_column("users", "oops", "n").apply()
    found = site.load([{"oops": "y"}, {"oops": 2.5}], "users")["users"]
    assert found.values("n") == [3, None, None, None]
    assert found.values("n__v_text") == [None, "x", "y", None]
    assert found.values("n__v_double") == [None, None, None, 2.5]


def test_hints_are_given_by_the_name_of_the_source(site: Site) -> None:
    p = site.pipeline()
    p.rename_column("users", "id", "number").apply()
    p.run(
        [{"id": "3", "when": "2024-01-01"}],
        table_name="users",
        columns={"id": {"description": "of the user"}},
    )
    assert site.table("users").values("number") == [1, 2, 3]
    assert p.default_schema.table_map["users"].columns["number"].description == "of the user"


def test_a_dropped_column_does_not_come_back(site: Site) -> None:
    notes: list[str] = []
    plan = site.pipeline().drop_column("users", "oops")
    assert plan.lost == {"users.oops": 1, "users.oops__v_text": 1}
    assert "1 values of `users.oops` are lost; this can't be undone" in str(plan)
    with pytest.raises(UsageError, match="can't be had back"):
        plan.apply()
    plan.apply(confirm=True)
    p = site.pipeline(progress=lambda e: notes.append(e.text) if isinstance(e, Notice) else None)
    p.run(ROWS, table_name="users")
    assert not {"oops", "oops__v_text"} & {*site.table("users").columns}
    assert notes == ["left out 2 values of column `oops` of table `users`, which was dropped"]
    assert [row[:3] for row in on_record(site)] == [
        ("drop_column", "users", "oops"),
        ("drop_column", "users", "oops__v_text"),
    ]


def test_a_dropped_column_is_taken_back(site: Site) -> None:
    p = site.pipeline()
    p.drop_column("users", "oops").apply(confirm=True)
    p.undrop("users", "oops").apply()
    found = site.load(ROWS, "users")["users"]
    assert found.values("oops") == [None, None, 3, None]
    assert found.values("oops__v_text") == [None, None, None, "x"]


def test_a_dropped_table_does_not_come_back(site: Site) -> None:
    p = site.pipeline()
    plan = p.drop_table("users__pets")
    assert plan.lost == {"users__pets__toys": 2, "users__pets": 1}
    plan.apply(confirm=True)
    assert {*site.load(ROWS, "users")} == {"users"}
    p.undrop("users__pets").apply()
    assert {*site.load(ROWS, "users")} == {"users", "users__pets", "users__pets__toys"}


def test_a_dropped_root_takes_all_its_rows(site: Site) -> None:
    p = site.pipeline()
    p.drop_table("users").apply(confirm=True)
    p.run(ROWS, table_name="users")
    p.run(ROWS, table_name="users", write_disposition="replace")
    assert site.tables() == {}


def test_refresh_drops_the_renamed_table_and_keeps_the_names(site: Site) -> None:
    p = site.pipeline()
    p.rename_column("users", "email", "mail").apply()
    p.rename_table("users", "people").apply()
    p.run([{"id": 9, "email": 1}], table_name="users", refresh="drop_resources")
    assert values(site) == {"people": {"id": [9], "mail": [1]}}


def test_waiting_packages_follow(site: Site) -> None:
    """One is extracted, one normalised, both under the old names."""
    p = site.pipeline()
    p.extract([{"id": 3, "email": "c", "oops": 1}], table_name="users")
    p.normalize()
    p.extract([{"id": 4, "email": "d", "pets": [{"name": "y"}]}], table_name="users")
    p.rename_column("users", "email", "mail").apply()
    p.rename_table("users", "people").apply()
    p.drop_column("people", "oops").apply(confirm=True)
    p.run()
    assert site.table("people").values("mail") == ["a", "b", "c", "d"]
    assert site.table("people__pets").values("name") == ["x", "y"]
    assert {*site.tables()} == {"people", "people__pets", "people__pets__toys"}


def elsewhere(site: Site) -> ladle.Pipeline:
    """Return the same pipeline with a working folder of its own, as on another machine."""
    return ladle.pipeline(
        "p", site.root / "elsewhere", destination=site.destination, dataset_name="ds"
    )  # fmt: skip


def test_another_working_folder_follows(site: Site) -> None:
    other = elsewhere(site)
    other.sync_destination()
    other.extract([{"id": 3, "email": "c"}], table_name="users")
    site.pipeline().rename_column("users", "email", "mail").apply()
    site.pipeline().rename_table("users", "people").apply()
    other.run([{"id": 4, "email": "d", "pets": [{"name": "y"}]}], table_name="users")
    assert site.table("people").values("mail") == ["a", "b", "c", "d"]
    assert {*site.tables()} == {"people", "people__pets", "people__pets__toys"}


def test_a_plan_is_made_on_what_others_committed(site: Site) -> None:
    other = elsewhere(site)
    other.sync_destination()
    site.pipeline().rename_table("users", "people").apply()
    with pytest.raises(UsageError, match="unknown table `users`"):
        other.rename_table("users", "folks")
    other.rename_column("people", "email", "mail").apply()
    assert site.load(ROWS, "users")["people"].values("mail") == ["a", "b", "a", "b"]


def test_a_plan_that_no_longer_holds_is_not_applied(site: Site) -> None:
    plan = site.pipeline().rename_column("users", "email", "mail")
    site.pipeline().rename_table("users", "people").apply()
    with pytest.raises(UsageError):
        plan.apply()
    assert "email" in site.table("people").columns


def test_what_fails_leaves_nothing_behind(site: Site) -> None:
    """DuckDB renames no column that an index is on: the next run must not stumble over it."""
    site.query("CREATE INDEX by_email ON ds.users (email)")
    with pytest.raises(DestinationError, match="renaming or dropping `users`") as caught:
        site.pipeline().rename_column("users", "email", "mail").apply()
    assert "nothing was changed and nothing is kept" in str(caught.value)
    assert not site.pipeline().has_pending_data
    assert "email" in site.pipeline().default_schema.table_map["users"].columns
    assert site.load(ROWS, "users")["users"].values("email") == ["a", "b", "a", "b"]


def test_a_name_that_only_the_destination_knows_is_not_taken(site: Site) -> None:
    site.query("ALTER TABLE ds.users ADD COLUMN mail VARCHAR")
    with pytest.raises(DestinationError, match="has one of that name"):
        site.pipeline().rename_column("users", "email", "mail")


def test_two_schemas_that_share_a_table_cannot_rename_it(site: Site) -> None:
    p = site.pipeline()
    p.run([{"id": 3}], table_name="users", schema="other")
    with pytest.raises(UsageError, match="several schemas: `p`, `other`"):
        p.rename_table("users", "people")


def test_what_is_there_is_compared_with_the_schema(site: Site) -> None:
    p = site.pipeline()
    assert p.schema_diff().is_empty
    assert str(p.schema_diff()).endswith("no difference")
    site.query("ALTER TABLE ds.users DROP COLUMN oops")
    site.query("ALTER TABLE ds.users ADD COLUMN extra DECIMAL(10, 2)")
    site.query("DROP TABLE ds.users__pets__toys")
    site.query("CREATE TABLE ds.mine (a INTEGER)")
    assert str(p.schema_diff()).splitlines()[1:] == [
        "  table `users__pets__toys` is in the schema, not at the destination",
        "  column `oops` of table `users` is in the schema, not at the destination",
        "  column `extra` (DECIMAL(10,2)) of table `users` is at the destination, not in the schema",
        "  table `mine` is at the destination, in no schema",
    ]


def test_what_was_changed_by_hand_is_adopted(site: Site) -> None:
    site.query("ALTER TABLE ds.users DROP COLUMN oops")
    site.query("ALTER TABLE ds.users DROP COLUMN oops__v_text")
    site.query("ALTER TABLE ds.users ADD COLUMN extra DECIMAL(10, 2)")
    site.query("ALTER TABLE ds.users ADD COLUMN span INTERVAL")  # of a type that ladle has none for
    site.query("DROP TABLE ds.users__pets; DROP TABLE ds.users__pets__toys")
    p = site.pipeline()
    plan = p.adopt_schema()
    assert plan.statements == ()
    assert not any(plan.lost.values())
    plan.apply()
    assert p.adopt_schema().is_empty
    assert p.adopt_schema().apply() is None
    found = site.load([*ROWS, {"id": 3, "extra": "2.5"}], "users")
    assert {*found} == {"users"}
    assert [str(v) for v in found["users"].values("extra")] == ["None"] * 4 + ["2.50"]
    assert "oops" not in found["users"].columns


def test_a_column_that_was_renamed_by_hand_is_only_noted(site: Site) -> None:
    site.query("ALTER TABLE ds.users RENAME COLUMN email TO mail")
    plan = site.pipeline().rename_column("users", "email", "mail")
    assert plan.statements == ()
    plan.apply()
    assert site.load(ROWS, "users")["users"].values("mail") == ["a", "b", "a", "b"]
    assert site.pipeline().schema_diff().is_empty


def test_files_can_drop_and_not_rename(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    p = ladle.pipeline("f", tmp_path / "pipelines", destination=lake, dataset_name="ds")
    p.run(ROWS, table_name="users")
    for plan in (p.rename_table, p.rename_column):
        with pytest.raises(UsageError, match="can't rename what is there"):
            plan(*["users", "email", "x"][: 2 if plan == p.rename_table else 3])
    p.drop_column("users", "oops").apply(confirm=True)
    p.drop_table("users__pets").apply(confirm=True)
    p.run(ROWS, table_name="users")
    assert p.dataset()["users"].columns[:2] == ["id", "email"]
    assert "oops" not in p.dataset()["users"].columns
    assert p.dataset()["users"].df().shape[0] == 4
    assert not [*(tmp_path / "lake" / "ds").glob("users__pets*/*")]


def test_a_function_hears_the_new_names(tmp_path: Path) -> None:
    heard: list[tuple[str, list[Any]]] = []

    @ladle.destination(batch_size=10)
    def sink(items: Any, table: Any) -> None:
        heard.append((table["name"], [*items]))

    p = ladle.pipeline("g", tmp_path, destination=sink)
    p.run([{"email": "a"}], table_name="users")
    p.rename_column("users", "email", "mail").apply()
    p.run([{"email": "b"}], table_name="users")
    assert [(t, i) for t, i in heard if not t.startswith("_")] == [
        ("users", [{"email": "a"}]),
        ("users", [{"mail": "b"}]),
    ]
