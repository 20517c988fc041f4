"""What a load makes of a schema: rules by name, normalizers, naming, and files in folders."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.errors import UsageError
from ladle.schema.yaml import read_file, to_yaml

RECORDS = [{"id": 1, "made_at": 1700000000, "name": "a", "x": "2024-01-01T00:00:00Z", "kids": [{"k": 1}]}]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def source(rows: Any = RECORDS, schema: ladle.Schema | None = None, **options: Any) -> Any:
    def shop() -> Any:
        return ladle.resource(rows, name="customers", **options)

    return ladle.source(shop, schema=schema)()


def run(site: Site, data: Any, **options: Any) -> ladle.Pipeline:
    pipeline = site.pipeline(**options)
    pipeline.run(data)
    return pipeline


# -- rules by name (N25)


def ruled() -> ladle.Schema:
    schema = ladle.Schema("shop")
    schema.update_preferred_types({"re:_at$": "timestamp", "price": "decimal", "t": "bigint"})
    schema.merge_hints(
        {"partition": ["re:_ts$"], "primary_key": ["id"], "not_null": ["re:^must"], "nullable": ["must_not"]}
    )
    return schema


def test_new_columns_get_types_and_hints_by_their_names(site: Site) -> None:
    row = {"id": 1, "made_at": 1700000000, "x_ts": "a", "must": 1, "must_not": 1, "price": 1, "t": "abc"}
    pipeline = run(site, source([{**row, "nested": {"price": 3}, "kids": [{"k_at": 3}]}], ruled()))
    columns = pipeline.default_schema.get_table_columns("customers")
    types = {n: c["data_type"] for n, c in columns.items()}
    assert types["made_at"] == "timestamp"
    assert types["price"] == "decimal"
    assert types["nested__price"] == "bigint"
    assert (types["t"], types["t__v_text"]) == ("bigint", "text")
    assert (columns["id"]["primary_key"], columns["id"]["nullable"]) == (True, True)
    assert columns["x_ts"]["partition"] is True
    assert (columns["must"]["nullable"], columns["must_not"]["nullable"]) == (False, True)
    assert pipeline.default_schema.get_preferred_type("k_at") == "timestamp"
    assert site.table("customers__kids").types == {"k_at": "TIMESTAMP WITH TIME ZONE"}


def test_what_is_declared_goes_before_rules(site: Site) -> None:
    hints = {"made_at": {"data_type": "text"}, "must": {"data_type": "bigint"}, "b_at": {"description": "d"}}
    pipeline = run(site, source([{"made_at": 5, "b_at": 5}], ruled(), columns=hints))
    columns = pipeline.default_schema.get_table_columns("customers")
    assert [columns[n]["data_type"] for n in ("made_at", "b_at")] == ["text", "timestamp"]
    assert (columns["must"]["nullable"], columns["b_at"]["description"]) == (True, "d")


def test_frames_keep_their_types(site: Site) -> None:
    pa = pytest.importorskip("pyarrow")
    run(site, source(pa.table({"made_at": [1, 2]}), ruled()))
    assert site.table("customers").types == {"made_at": "BIGINT"}


def test_a_null_where_a_rule_allows_none_is_refused(site: Site) -> None:
    with pytest.raises(ladle.errors.LadleError, match="cannot store null in column `must`"):
        run(site, source([{"must": 1}, {"must": None}], ruled()))


def test_detections_can_be_switched(site: Site) -> None:
    schema = ladle.Schema("shop")
    schema.remove_type_detection("iso_timestamp")
    schema.add_type_detection("iso_date")
    run(site, source([{"a": "2024-01-01T00:00:00Z", "b": "2024-01-01"}], schema))
    assert site.table("customers").types == {"a": "VARCHAR", "b": "DATE"}


# -- a source's own schema


def test_a_source_has_its_own_copy_and_its_changes_count(site: Site) -> None:
    schema = ladle.Schema("shop")
    first, second = source(schema=schema), source(schema=schema)
    first.schema.update_preferred_types({"re:_at$": "timestamp"})
    assert (schema, second.schema) == (ladle.Schema("shop"), ladle.Schema("shop"))
    plain = source()
    plain.schema.merge_hints({"sort": ["name"]})
    pipeline = run(site, [first])
    assert site.table("customers").types["made_at"] == "TIMESTAMP WITH TIME ZONE"
    run(site, plain)
    assert "name" in pipeline.default_schema.settings["default_hints"]["sort"]
    assert "customers__kids" in pipeline.default_schema.tables


def test_what_a_pipeline_hands_out_are_copies(site: Site) -> None:
    pipeline = run(site, source())
    pipeline.default_schema.add_type_detection("iso_date")
    pipeline.schemas["shop"].drop_tables(["customers"])
    assert pipeline.default_schema.settings["detections"] == ["iso_timestamp"]
    assert "customers" in pipeline.schemas["shop"].tables


def test_tables_of_earlier_runs_stay_when_a_source_brings_its_schema(site: Site) -> None:
    run(site, source(schema=ruled()))
    pipeline = run(site, source([{"id": 2}], ruled()))
    assert "kids" in str(pipeline.default_schema.data_table_names())
    assert "name" in pipeline.default_schema.get_table_columns("customers")


def test_two_sources_have_two_schemas_in_one_dataset(site: Site) -> None:
    pipeline = site.pipeline()
    for name in ("one", "two"):
        one = ladle.source(partial(list, [ladle.resource([{"a": 1}], name=name)]), name=name)
        pipeline.run(one())
    assert {n: s.data_table_names() for n, s in pipeline.schemas.items()} == {"one": ["one"], "two": ["two"]}
    assert (site.table("one").data, site.table("two").data) == ([(1,)], [(1,)])


def test_the_schema_file_beside_a_module_is_the_sources(tmp_path: Path, site: Site) -> None:
    (tmp_path / "beside_module.py").write_text(
        "import ladle\n\n@ladle.source\ndef shop():\n    return ladle.resource([{'made_at': 1}], name='t')\n"
    )
    (tmp_path / "shop.schema.yaml").write_text(ruled().to_pretty_yaml())
    spec = importlib.util.spec_from_file_location("beside_module", tmp_path / "beside_module.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["beside_module"] = module
    spec.loader.exec_module(module)
    try:
        run(site, module.shop())
        assert site.table("t").types == {"made_at": "TIMESTAMP WITH TIME ZONE"}
        (tmp_path / "shop.schema.yaml").write_text(ladle.Schema("other").to_pretty_yaml())
        with pytest.raises(UsageError, match="has the schema `other`, not `shop`"):
            module.shop()
    finally:
        del sys.modules["beside_module"]


# -- normalizers


def test_values_of_rows_above_are_propagated(site: Site) -> None:
    schema = ladle.Schema("shop").to_dict()
    schema["normalizers"]["json"]["config"] = {
        "root_key_propagation": True,
        "propagation": {
            "root": {"ts": "root_ts", "_dlt_load_id": "load"},
            "tables": {"customers": {"v": "k", "missing": "m"}, "customers__txs": {"h": "tx_h"}},
        },
    }
    rows = [
        {"ts": "2024-01-01", "v": 7, "txs": [{"h": "t1", "k": 1, "logs": [{"l": 1}]}, {"h": "t2"}]},
        {"txs": [{"h": "t3"}]},
    ]
    pipeline = run(site, source(rows, ladle.Schema.from_dict(schema)))
    txs, logs = site.table("customers__txs"), site.table("customers__txs__logs")
    assert [(r["h"], r["k"], r["root_ts"]) for r in txs.rows] == [
        ("t1", 1, "2024-01-01"),
        ("t2", 7, "2024-01-01"),
        ("t3", None, None),
    ]
    assert [(r["l"], r["k"], r["tx_h"], r["root_ts"]) for r in logs.rows] == [(1, 7, "t1", "2024-01-01")]
    assert {r["load"] for r in txs.rows} == set(pipeline.list_completed_load_packages())
    assert txs.values("_dlt_root_id") == txs.values("_dlt_parent_id")


def test_without_coercion_each_kind_has_its_column(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA__JSON_NORMALIZER", '{"module": "relational_no_coercion"}')
    rows = [{"v": 1, "at": "2024-01-01T00:00:00Z"}, {"v": "2"}, {"v": 3.0}, {"v": True, "at": "x"}]
    pipeline = run(site, source(rows))
    found = {
        tuple((n, v) for n, v in row.items() if n.startswith("v") and v is not None)
        for row in site.table("customers").rows
    }
    assert found == {(("v", 1),), (("v__v_text", "2"),), (("v__v_double", 3.0),), (("v__v_bool", True),)}
    assert site.table("customers").types["at"] == "TIMESTAMP WITH TIME ZONE"
    monkeypatch.delenv("SCHEMA__JSON_NORMALIZER")
    run(site, source([{"v": "9"}]))
    assert site.table("customers").values("v__v_text").count("9") == 1
    assert pipeline.default_schema.normalizer_module.endswith("relational_no_coercion")


def test_normalizers_of_others_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA__JSON_NORMALIZER", '{"module": "my.own"}')
    with pytest.raises(UsageError, match="wants rows normalised by `my.own`"):
        run(site, source())


def test_keys_may_be_whole_names(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA__USE_BREAK_PATH_ON_NORMALIZE", "false")
    run(site, source([{"a__b": 1, "c": {"x__y": 1}, "k__": 1}]))
    assert set(site.table("customers").types) == {"a_b", "c__x_y", "kxx"}


def test_nesting_is_kept_with_the_schema(site: Site) -> None:
    nested = [{"a": {"b": {"c": 1}}, "l": [{"m": {"n": 1}}]}]
    flat = ladle.source(lambda: ladle.resource(nested, name="customers"), name="shop", max_table_nesting=1)()
    pipeline = run(site, flat)
    assert pipeline.default_schema.max_nesting == 1
    run(site, source(nested))
    assert site.table("customers").types == {"a__b": "JSON"}
    pipeline = run(site, ladle.resource(nested, name="kept", max_table_nesting=0))
    assert pipeline.default_schema.get_table("kept")["x-normalizer"] == {"max_nesting": 0, "seen-data": True}
    assert site.table("kept").types == {"a": "JSON", "l": "JSON"}


# -- naming (N05)


def test_naming_comes_from_settings_and_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__SHOP__SCHEMA__NAMING", "direct")
    run(site, source([{"createdAt": 1}]))
    monkeypatch.delenv("SOURCES__SHOP__SCHEMA__NAMING")
    pipeline = run(site, source([{"createdAt": 2}]))
    assert site.table("customers").values("createdAt") == [1, 2]
    assert pipeline.default_schema.naming == "direct"
    monkeypatch.setenv("SCHEMA__NAMING", "snake_case")
    with pytest.raises(UsageError, match="column `createdAt` of table `customers` would be `created_at`"):
        run(site, source([{"createdAt": 3}]))
    monkeypatch.setenv("SCHEMA__ALLOW_IDENTIFIER_CHANGE_ON_TABLE_WITH_DATA", "true")
    run(site, source([{"createdAt": 3}]))
    assert site.table("customers").values("created_at") == [None, None, 3]


def test_an_own_naming_module_is_used_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shouting.py").write_text("def identifier(text):\n    return text.upper()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    run(site, source([{"aB": 1}], ladle.Schema("shop", naming="shouting")))
    pipeline = run(site, source([{"aB": 2}]))
    assert pipeline.default_schema.naming == "shouting"
    assert site.table("CUSTOMERS").values("AB") == [1, 2]


# -- folders (S11, S12, S14)


def folders(site: Site) -> dict[str, Any]:
    return {"import_schema_path": str(site.root / "imp"), "export_schema_path": str(site.root / "exp")}


def edit(site: Site, **columns: Any) -> None:
    path = site.root / "imp" / "shop.schema.yaml"
    stored = read_file(path)
    stored["tables"]["customers"]["columns"].update(columns)
    path.write_text(to_yaml(stored))


def test_both_folders_get_the_schema(site: Site) -> None:
    run(site, source(primary_key="id", columns={"name": {"data_type": "text"}}), **folders(site))
    declared = read_file(site.root / "imp" / "shop.schema.yaml")
    assert declared["version"] == 1
    assert set(declared["tables"]["customers"]["columns"]) == {"name", "id"}
    assert "data_type" not in declared["tables"]["customers"]["columns"]["id"]
    assert "customers__kids" not in declared["tables"]
    everything = read_file(site.root / "exp" / "shop.schema.yaml")
    assert everything["imported_version_hash"] == declared["version_hash"]
    assert {"id", "x", "_dlt_id"} <= set(everything["tables"]["customers"]["columns"])
    assert "customers__kids" in everything["tables"]


def test_edits_of_the_import_file_are_taken_once(site: Site) -> None:
    options = folders(site)
    before = run(site, source(), **options).default_schema
    pipeline = run(site, source(), **options)
    assert pipeline.default_schema.version == before.version
    edit(
        site, x={"description": "hello", "x-own": 1}, later={"data_type": "date"}, kids={"data_type": "json"}
    )
    run(site, source([{"id": 2, "later": "2024-01-02", "kids": [1]}]), **options)
    columns = pipeline.default_schema.get_table_columns("customers")
    assert (columns["x"]["data_type"], columns["x"]["description"], columns["x"]["x-own"]) == (
        "timestamp",
        "hello",
        1,
    )
    assert site.table("customers").types["later"] == "DATE"
    assert site.table("customers").types["kids"] == "JSON"
    version = pipeline.default_schema.version
    assert run(site, source([{"id": 3}]), **options).default_schema.version == version
    assert read_file(site.root / "exp" / "shop.schema.yaml")["version"] == version


def test_a_loaded_column_takes_only_a_wider_type_unless_started_over(site: Site) -> None:
    options = folders(site)
    run(site, source(), **options)
    edit(site, x={"data_type": "bigint"})
    with pytest.raises(
        UsageError, match="column `x` of table `customers` is timestamp, a hint asks for bigint"
    ):
        run(site, source(), **options)
    pipeline = site.pipeline(**options)
    assert not pipeline.has_pending_data
    edit(site, x={"data_type": "text"})
    pipeline.run(source([{"id": 2, "x": "soon"}]))
    assert site.table("customers").types["x"] == "VARCHAR"
    assert "soon" in site.table("customers").values("x")
    edit(site, x={"data_type": "timestamp"})
    with pytest.raises(UsageError, match="column `x` of table `customers` is text"):
        pipeline.run(source())
    pipeline.run(source(), refresh="drop_resources")
    assert site.table("customers").types["x"].startswith("TIMESTAMP")


def test_a_plan_offers_no_file(site: Site) -> None:
    pipeline = site.pipeline(**folders(site))
    assert "customers" in pipeline.plan(source())
    assert not (site.root / "imp").exists()


def test_marks_of_a_package_stay_out_of_the_offered_file(site: Site) -> None:
    run(site, source(columns={"name": {"data_type": "text"}}), **folders(site))
    declared = read_file(site.root / "imp" / "shop.schema.yaml")
    assert declared["tables"]["customers"]["columns"]["name"] == {"nullable": True, "data_type": "text"}


def test_another_schemas_file_is_refused(site: Site) -> None:
    (site.root / "imp").mkdir()
    (site.root / "imp" / "shop.schema.yaml").write_text(ladle.Schema("other").to_pretty_yaml())
    with pytest.raises(UsageError, match="has the schema `other`, not `shop`"):
        run(site, source(), **folders(site))


def test_folders_and_format_come_from_settings(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPORT_SCHEMA_PATH", str(site.root / "imp"))
    monkeypatch.setenv("SCHEMA__EXPORT_SCHEMA_PATH", str(site.root / "exp"))
    monkeypatch.setenv("EXTERNAL_SCHEMA_FORMAT", "json")
    monkeypatch.setenv("SCHEMA__EXTERNAL_SCHEMA_FORMAT_REMOVE_DEFAULTS", "false")
    run(site, source())
    assert read_file(site.root / "imp" / "shop.schema.json")["tables"]["customers"]["name"] == "customers"
    assert "customers__kids" in read_file(site.root / "exp" / "shop.schema.json")["tables"]
    monkeypatch.setenv("EXTERNAL_SCHEMA_FORMAT", "mermaid")
    run(site, source())
    assert (site.root / "exp" / "shop.schema.mermaid").read_text().startswith("erDiagram")
    monkeypatch.setenv("EXTERNAL_SCHEMA_FORMAT", "xml")
    with pytest.raises(UsageError, match="unknown external_schema_format `xml`"):
        site.pipeline()


def test_given_names_outlive_a_source_that_brings_its_schema_and_an_edited_file(site: Site) -> None:
    options = folders(site)
    pipeline = run(site, source(schema=ruled()), **options)
    pipeline.rename_column("customers", "name", "title").apply()
    edit(site, name={"data_type": "text", "description": "called title there"})
    run(site, source([{"id": 2, "name": "b"}], ruled()), **options)
    assert site.table("customers").values("title") == ["a", "b"]
    assert "name" not in site.table("customers").columns
    column = site.pipeline(**options).default_schema.get_table_columns("customers")["title"]
    assert column["description"] == "called title there"
