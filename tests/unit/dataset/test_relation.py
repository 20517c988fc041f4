"""Relations: the SQL they make, the rows they give, the errors of a wrong step."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from sqlglot import exp
from tests.loading import Site

import ladle
from ladle.dataset.dataset import Dataset
from ladle.dataset.relation import Relation
from ladle.errors import DataError, LineageFailedException, UsageError

FROM = 'FROM "ds"."users" AS "users"'
IDS = f'SELECT "users"."id" AS "id" {FROM}'


def cursor(path: str, initial_value: Any = None, **options: Any) -> Any:
    """Return what a relation needs of an incremental cursor."""
    found = {"last_value_func": max, "end_value": None, **options}
    return SimpleNamespace(cursor_path=path, initial_value=initial_value, **found)


# -- the table of 1.16


def test_a_table_selects_its_columns_by_name(users: Relation) -> None:
    assert users.to_sql() == (
        'SELECT "users"."id" AS "id", "users"."v" AS "v", "users"."amt" AS "amt", '
        f'"users"."_dlt_load_id" AS "_dlt_load_id", "users"."_dlt_id" AS "_dlt_id" {FROM}'
    )


def test_select(users: Relation) -> None:
    assert users.select("id").to_sql() == IDS
    assert users["id"].to_sql() == IDS
    assert users[["id", "v"]].columns == ["id", "v"]
    assert users[("id", "v")].columns == ["id", "v"]


@pytest.mark.parametrize(
    ("operator", "value", "condition", "ids"),
    [
        ("gt", 1, '"users"."id" > CAST(1 AS BIGINT)', [2, 3, 4]),
        ("lt", 2, '"users"."id" < CAST(2 AS BIGINT)', [1]),
        ("gte", 3, '"users"."id" >= CAST(3 AS BIGINT)', [3, 4]),
        ("lte", 1, '"users"."id" <= CAST(1 AS BIGINT)', [1]),
        ("eq", 2, '"users"."id" = CAST(2 AS BIGINT)', [2]),
        ("ne", 2, '"users"."id" <> CAST(2 AS BIGINT)', [1, 3, 4]),
        ("in", [1, 2], '"users"."id" IN (CAST(1 AS BIGINT), CAST(2 AS BIGINT))', [1, 2]),
        ("not_in", [1, 2], 'NOT "users"."id" IN (CAST(1 AS BIGINT), CAST(2 AS BIGINT))', [3, 4]),
        ("in", [], "FALSE", []),
        ("in", [None, 1], '("users"."id" IN (CAST(1 AS BIGINT)) OR "users"."id" IS NULL)', [1]),
        ("eq", None, '"users"."id" IS NULL', []),
        ("ne", None, 'NOT "users"."id" IS NULL', [1, 2, 3, 4]),
    ],
)
def test_where_with_an_operator(
    users: Relation, operator: str, value: Any, condition: str, ids: list[int]
) -> None:
    found = users.select("id").where("id", operator, value)
    assert found.to_sql() == f"{IDS} WHERE {condition}"
    assert [i for (i,) in found.order_by("id").fetchall()] == ids


def test_where_casts_to_the_type_of_the_column(users: Relation) -> None:
    assert users.select("id").where("amt", "lte", 9).to_sql().endswith('"users"."amt" <= CAST(9 AS DOUBLE)')
    assert users.select("id").where("v", "eq", "it's").to_sql().endswith("= CAST('it''s' AS TEXT)")


def test_where_with_sql(users: Relation) -> None:
    found = users.select("id").where("id > 1 and amt < 9")
    assert found.to_sql() == f'{IDS} WHERE "users"."id" > 1 AND "users"."amt" < 9'
    assert found.filter("v = 'b'").fetchall() == [(2,)]


def test_where_with_a_tree(users: Relation) -> None:
    assert users.select("id").where(exp.column("id") > 1).to_sql() == f'{IDS} WHERE "users"."id" > 1'


def test_conditions_add_up(users: Relation) -> None:
    found = users.select("id").where("id = 1 or id = 2").where("id", "gt", 1)
    assert found.to_sql().endswith(
        '("users"."id" = 1 OR "users"."id" = 2) AND "users"."id" > CAST(1 AS BIGINT)'
    )
    assert found.fetchall() == [(2,)]


def test_order_and_limit(users: Relation) -> None:
    found = users.select("id").order_by("id", "desc").limit(2)
    assert found.to_sql() == f'{IDS} ORDER BY "users"."id" DESC LIMIT 2'
    assert found.fetchall() == [(4,), (3,)]
    assert users.order_by("v").order_by("id").to_sql().endswith('ORDER BY "users"."v" ASC, "users"."id" ASC')
    assert users.head().to_sql().endswith("LIMIT 5")
    assert users.limit(3).head(2).to_sql().endswith("LIMIT 2")
    assert users.limit(2).limit(3).to_sql().endswith("LIMIT 2")


def test_min_and_max(users: Relation) -> None:
    assert users.select("id").max().fetchscalar() == 4
    assert users.select("id").min().fetchscalar() == 1
    assert users.select("id").where("id", "lt", 3).max().fetchscalar() == 2


def test_what_follows_a_limit_means_the_rows_that_are_left(users: Relation) -> None:
    first = users.select("id").order_by("id").limit(2)
    assert first.where("id", "gt", 1).fetchall() == [(2,)]
    assert first.max().fetchscalar() == 2
    assert first.order_by("id", "desc").fetchall() == [(2,), (1,)]


def test_a_relation_is_a_value(users: Relation) -> None:
    before = users.to_sql()
    users.select("id").max()
    users.where("id", "gt", 1)
    assert users.to_sql() == before


def test_from_loads(ds: Dataset, users: Relation) -> None:
    load_id = ds.load_ids()[0]
    found = users.select("id").from_loads([load_id])
    assert found.to_sql() == f'{IDS} WHERE "users"."_dlt_load_id" IN (CAST(\'{load_id}\' AS TEXT))'
    assert len(found.fetchall()) == 4
    assert users.from_loads("none").fetchall() == []
    assert ds.table("users", load_ids=[load_id]).to_sql() == users.from_loads([load_id]).to_sql()


def test_from_loads_of_a_child_table_goes_by_the_root_row(ds: Dataset) -> None:
    load_id = ds.load_ids()[0]
    toys = ds["users__pets__toys"].from_loads([load_id])
    assert toys.columns == ["k", "_dlt_parent_id", "_dlt_list_idx", "_dlt_id"]
    assert [row[0] for row in toys.fetchall()] == [1]
    assert ds["users__pets__toys"].from_loads([load_id], True).columns[-1] == "_dlt_load_id"
    assert ds["users__pets__toys"].from_loads(["none"]).fetchall() == []


def test_with_load_id_col(ds: Dataset, users: Relation) -> None:
    load_id = ds.load_ids()[0]
    found = ds["users__pets"].with_load_id_col()
    assert found.to_sql().endswith(
        '"users"."_dlt_load_id" AS "_dlt_load_id" FROM "ds"."users__pets" AS "users__pets" INNER JOIN '
        '"ds"."users" AS "users" ON "users__pets"."_dlt_parent_id" = "users"."_dlt_id"'
    )
    assert found.select("_dlt_load_id").fetchall() == [(load_id,)] * 2
    assert users.with_load_id_col().columns == users.columns
    assert users.select("id").with_load_id_col().columns == ["id", "_dlt_load_id"]


@pytest.mark.parametrize("method", ["from_loads", "with_load_id_col"])
def test_loads_need_a_relation_of_one_table(ds: Dataset, method: str) -> None:
    arguments: list[Any] = [["x"]] if method == "from_loads" else []
    for relation in (ds["users"].limit(1), ds("select id from users"), ds["users"].join("users__pets")):
        with pytest.raises(UsageError, match=method):
            getattr(relation, method)(*arguments)
    with pytest.raises(UsageError, match="_dlt_load_id"):
        getattr(ds["_dlt_version"], method)(*arguments)


# -- cursors


@pytest.mark.parametrize(
    ("options", "condition"),
    [
        ({}, '"users"."id" >= CAST(2 AS BIGINT) AND NOT "users"."id" IS NULL'),
        (
            {"end_value": 4},
            '"users"."id" >= CAST(2 AS BIGINT) AND "users"."id" < CAST(4 AS BIGINT) AND NOT "users"."id" IS NULL',
        ),
        (
            {"end_value": 4, "range_end": "closed", "range_start": "open"},
            '"users"."id" > CAST(2 AS BIGINT) AND "users"."id" <= CAST(4 AS BIGINT) AND NOT "users"."id" IS NULL',
        ),
        ({"last_value_func": min}, '"users"."id" <= CAST(2 AS BIGINT) AND NOT "users"."id" IS NULL'),
        (
            {"on_cursor_value_missing": "include"},
            '"users"."id" >= CAST(2 AS BIGINT) OR "users"."id" IS NULL',
        ),
    ],
)
def test_incremental(users: Relation, options: dict[str, Any], condition: str) -> None:
    found = users.select("id").incremental(cursor("id", 2, **options))
    assert found.to_sql() == f"{IDS} WHERE {condition}"
    assert found.is_incremental
    assert not users.is_incremental
    found.fetchall()


def test_incremental_without_start_leaves_only_nulls_out(ds: Dataset) -> None:
    sql = ds.table("users", incremental=cursor("id")).to_sql()
    assert sql.endswith('WHERE NOT "users"."id" IS NULL')


def test_incremental_by_a_column_of_a_referenced_table(users: Relation) -> None:
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    found = users.select("id").incremental(cursor("_dlt_loads.inserted_at", start))
    assert found.to_sql() == (
        f'{IDS} INNER JOIN "ds"."_dlt_loads" AS "_dlt_loads" ON "users"."_dlt_load_id" = "_dlt_loads"."load_id" '
        'WHERE "_dlt_loads"."inserted_at" >= CAST(\'2024-01-01 00:00:00.000000+00:00\' AS TIMESTAMPTZ) '
        'AND NOT "_dlt_loads"."inserted_at" IS NULL'
    )
    assert len(found.fetchall()) == 4


def test_incremental_of_the_library(users: Relation) -> None:
    bound = ladle.sources.incremental("id", initial_value=2, end_value=4).bound("users", None)
    assert users.select("id").incremental(bound).order_by("id").fetchall() == [(2,), (3,)]
    assert users.select("id").incremental(ladle.sources.incremental("id", initial_value=4)).fetchall() == [
        (4,)
    ]


@pytest.mark.parametrize(
    "wrong", [cursor("zz", 1), cursor("a.b.c", 1), cursor("id", 1, last_value_func=sum), cursor("zz.a", 1)]
)
def test_a_cursor_that_is_no_column(users: Relation, wrong: Any) -> None:
    with pytest.raises(UsageError):
        users.incremental(wrong)


def test_a_cursor_moves_on_by_the_rows_of_a_resource(site: Site, ds: Dataset) -> None:
    assert copied(site, ds, "id", "rows", initial_value=3) == [[3, 4], [3, 4]]


@pytest.mark.parametrize("path", ["_dlt_load_id", "_dlt_loads.inserted_at"])
def test_a_cursor_that_is_none_of_the_rows_moves_on_by_the_query(site: Site, ds: Dataset, path: str) -> None:
    name = f"by_{path.replace('.', '_')}".replace("__", "_")
    assert copied(site, ds, path, name) == [[1, 2, 3, 4], [1, 2, 3, 4]]
    site.pipeline("more", dataset_name="ds").run([{"id": 50}], table_name="users")
    assert copied(site, ds, path, name) == [[1, 2, 3, 4, 50], [1, 2, 3, 4, 50]]
    with ds.sql_client as client:
        client.execute_sql("delete from users where id = 50")


def copied(site: Site, ds: Dataset, path: str, name: str, **options: Any) -> list[list[int]]:
    """Copy what a cursor has not seen, twice; return what is there after each."""

    @ladle.resource(name=name)
    def copy(found: Any = ladle.sources.incremental(path, **options)) -> Any:  # noqa: B008
        yield ds["users"].incremental(found)

    seen = []
    for _ in range(2):
        site.pipeline(name, dataset_name="copies").run(copy())
        rows = ladle.dataset(site.destination, "copies")[name].select("id").order_by("id").fetchall()
        seen.append([i for (i,) in rows])
    return seen


def test_a_cursor_stays_where_rows_are_not_read_to_the_end(users: Relation) -> None:
    bound = ladle.sources.incremental("_dlt_load_id").bound("users", None)
    found = users.incremental(bound)
    found.fetchmany(1)
    assert bound.last_value is None
    assert found.arrow() is not None
    assert bound.last_value is not None
    unmoved = ladle.sources.incremental("_dlt_load_id").bound("users", None)
    users.incremental(unmoved, advance=False).fetchall()
    assert unmoved.last_value is None


def test_rows_must_be_whole_where_they_move_a_cursor_that_they_lack(users: Relation) -> None:
    bound = ladle.sources.incremental("id").bound("users", None)
    assert users.incremental(bound).limit(1).fetchall()
    with pytest.raises(UsageError, match="lack the column `id`"):
        users.incremental(bound).limit(1).select("v")


# -- rows


def test_rows_in_chunks(users: Relation) -> None:
    ids = users.select("id").order_by("id")
    assert list(ids.iter_fetch(2)) == [[(1,), (2,)], [(3,), (4,)]]
    assert list(ids.iter_fetch(chunk_size=3)) == [[(1,), (2,), (3,)], [(4,)]]
    assert [t.num_rows for t in ids.iter_arrow(3)] == [3, 1]
    assert [len(f) for f in ids.iter_df(3)] == [3, 1]
    assert list(ids.where("id", "gt", 9).iter_arrow(2)) == []


def test_rows_at_once(users: Relation) -> None:
    ids = users.select("id").order_by("id")
    assert ids.fetchall() == [(1,), (2,), (3,), (4,)]
    assert ids.fetchmany(2) == [(1,), (2,)]
    assert ids.fetchone() == (1,)
    assert ids.arrow() == pa.table({"id": pa.array([1, 2, 3, 4], pa.int64())})
    assert ids.arrow(chunk_size=2).num_rows == 2  # type: ignore[union-attr]
    assert list(ids.df()["id"]) == [1, 2, 3, 4]
    none = ids.where("id", "gt", 9)
    assert (none.fetchone(), none.fetchall(), none.fetchscalar(), none.arrow(2)) == (None, [], None, None)
    assert none.arrow().schema.names == ["id"]  # type: ignore[union-attr]
    assert len(none.df()) == 0


def test_a_scalar_is_one_value(users: Relation) -> None:
    with pytest.raises(UsageError, match="one column"):
        users.select("id", "v").fetchscalar()
    with pytest.raises(UsageError, match="one row"):
        users.select("id").fetchscalar()


def test_sums_of_integers_are_integers(ds: Dataset) -> None:
    table = ds("select sum(id) as s, avg(id) as a from users").arrow()
    assert table is not None
    assert table.schema.types == [pa.int64(), pa.float64()]


# -- errors


@pytest.mark.parametrize(
    "step",
    [
        lambda r: r.select("zzz"),
        lambda r: r.where("zzz", "eq", 1),
        lambda r: r.where("zzz = 1"),
        lambda r: r.order_by("zzz"),
    ],
)
def test_a_column_that_is_not_there(users: Relation, step: Any) -> None:
    with pytest.raises(LineageFailedException, match="zzz"):
        step(users)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda r: r.select(), "select needs"),
        (lambda r: r[0], "asked for columns"),
        (lambda r: r.where("id", "like", 1), "operator `like`"),
        (lambda r: r.where("id", value=1), "no operator"),
        (lambda r: r.where("id", "in", "abc"), "a list"),
        (lambda r: r.order_by("id", "up"), "sort order"),
        (lambda r: r.limit(-1), "limit"),
        (lambda r: r.limit("1"), "limit"),
        (lambda r: r.max(), "one column"),
        (lambda r: next(r.select("id").iter_fetch(0)), "chunk_size"),
    ],
)
def test_a_wrong_step(users: Relation, step: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        step(users)


# -- what else it is


def test_the_query_in_other_forms(users: Relation) -> None:
    ids = users.select("id")
    assert ids.to_sql(pretty=True).splitlines()[0] == "SELECT"
    assert users.to_sql(_raw_query=True) == 'SELECT * FROM "users"'
    assert ids.to_model().query == IDS
    assert ids.to_model().query_dialect == "duckdb"
    assert isinstance(ids.sqlglot_expression, exp.Select)
    assert (ids.destination_dialect, ids.query_dialect) == ("duckdb", "duckdb")
    assert ids.schema == {"columns": ids.columns_schema}


def test_it_shows_itself(users: Relation) -> None:
    assert "SELECT" in repr(users.select("id"))
    assert str(users.select("id")).endswith("Columns:\n  id")
    html = users.where("v", "eq", "<b>")._repr_html_()
    assert "<td>amt</td><td>double</td>" in html
    assert "<b>" not in html


# -- loading it


def test_a_relation_loads_like_a_frame_without_the_keys_of_its_load(site: Site, users: Relation) -> None:
    site.pipeline("other", dataset_name="other").run(users, table_name="copy")
    copy = ladle.dataset(site.destination, "other")["copy"]
    assert copy.select("id", "v").order_by("id").fetchall() == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    theirs = {row[0] for row in users.select("_dlt_load_id").fetchall()}
    mine = (
        {row[0] for row in copy.select("_dlt_load_id").fetchall()}
        if "_dlt_load_id" in copy.columns
        else set()
    )
    assert not theirs & mine


def test_a_resource_may_yield_relations(site: Site, ds: Dataset) -> None:
    @ladle.resource(name="both")
    def both() -> Any:
        yield ds["users"].select("id")
        yield ds("select id + 100 as id from users")

    site.pipeline("other", dataset_name="other").run(both())
    found = ladle.dataset(site.destination, "other")["both"].select("id").order_by("id").fetchall()
    assert [i for (i,) in found] == [1, 2, 3, 4, 101, 102, 103, 104]


def test_the_stream_of_keys_alone_has_them(users: Relation) -> None:
    assert pa.table(users).column_names == ["id", "v", "amt"]
    assert pa.table(users.select("_dlt_id")).column_names == ["_dlt_id"]


@pytest.mark.parametrize("way", ["fetchall", "df"])
def test_a_value_that_python_has_not_is_an_error_of_ours(site: Site, way: str) -> None:
    dates = pa.table({"late": pa.array([5_000_000], pa.date32())})
    site.pipeline().run(dates, table_name="lates", write_disposition="replace")
    lates = site.pipeline().dataset()["lates"].select("late")
    with pytest.raises(DataError, match="15659|out of range"):
        getattr(lates, way)()
    assert lates.arrow().equals(dates)
