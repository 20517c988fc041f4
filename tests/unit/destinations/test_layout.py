"""Layouts: every placeholder, what is refused, and which files are a table's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ladle.destinations.layout import DEFAULT_LAYOUT, PLACEHOLDERS, FileName, Layout
from ladle.errors import DestinationError, UsageError

FILE = FileName("shop", "orders", "1795416945.336349", "7bd27b5825", "jsonl.gz")
AT = datetime(2024, 1, 7, 9, 5, 6, 7890, tzinfo=UTC)  # a Sunday


def path(template: str, **options: Any) -> str:
    return Layout("{table_name}/{file_id}/" + template + ".{ext}", **options).path(FILE)[18:-9]


def test_the_default() -> None:
    assert Layout().path(FILE) == "orders/1795416945.336349.7bd27b5825.jsonl.gz"
    assert Layout().template == DEFAULT_LAYOUT


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        ("schema_name", "shop"), ("table_name", "orders"), ("load_id", "1795416945.336349"),
        ("file_id", "7bd27b5825"), ("ext", "jsonl.gz"),
        ("timestamp", "1704618306"), ("timestamp_ms", "1704618306007"), ("curr_date", "2024-01-07"),
        ("load_package_timestamp", "1795416945"), ("load_package_timestamp_ms", "1795416945336"),
        ("YYYY", "2024"), ("YY", "24"), ("Y", "2024"), ("MMMM", "january"), ("MMM", "jan"), ("MM", "01"),
        ("M", "1"), ("DD", "07"), ("D", "7"), ("HH", "09"), ("H", "9"), ("mm", "05"), ("m", "5"),
        ("ss", "06"), ("s", "6"), ("SSSS", "0078"), ("SSS", "007"), ("SS", "00"), ("S", "0"),
        ("dddd", "sunday"), ("ddd", "sun"), ("dd", "su"), ("d", "0"), ("Q", "1"),
    ],
)  # fmt: skip
def test_each_placeholder_shows_what_the_reference_shows(placeholder: str, value: str) -> None:
    assert path("{" + placeholder + "}", moment=AT) == value


def test_no_placeholder_is_untested() -> None:
    shown = test_each_placeholder_shows_what_the_reference_shows.pytestmark[0].args[1]
    assert {name for name, _ in shown} == set(PLACEHOLDERS)


def test_dates_are_those_of_the_load_id_unless_told() -> None:
    assert path("{YYYY}-{MM}-{DD} {SSSS}") == "2026-11-23 3363"


def test_a_moment_is_a_value_or_a_function_and_keeps_its_zone() -> None:
    east = timezone(timedelta(hours=5))
    assert path("{HH}", moment=AT.astimezone(east)) == "14"
    assert path("{HH}", moment=lambda: AT.replace(tzinfo=None)) == "09"
    assert path("{timestamp}", moment=AT.replace(tzinfo=None)) == "1704618306"


def test_extra_placeholders_are_values_or_functions_and_win() -> None:
    asked = []

    def who(*parts: str) -> str:
        asked.append(parts)
        return "VaL/X"

    assert path("{who}-{num}", extra={"who": who, "num": 12}) == "VaL/X-12"
    assert asked == [("shop", "orders", "1795416945.336349", "7bd27b5825", "jsonl.gz")]
    assert Layout(extra={"load_id": "zz"}).path(FILE) == "orders/zz.7bd27b5825.jsonl.gz"


def test_an_extension_is_added() -> None:
    assert Layout("{table_name}/{file_id}").path(FILE) == "orders/7bd27b5825.jsonl.gz"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{table_name}/{load_di}.{file_id}", "did you mean `load_id`?"),
        ("{load_id}/{file_id}", "`{table_name}`"),
        ("{load_id}/{table_name}/{file_id}", "no placeholder but `{schema_name}` before"),
        ("{YYYY}/{table_name}/{file_id}", "no placeholder but `{schema_name}` before"),
        ("{table_name}{load_id}", "a separator after"),
        ("{table_name}x{load_id}", "a separator after"),
        ("{table_name}", "else loads would overwrite files"),
        ("{table_name}/{YYYY}-{MM}-{DD}", "else loads would overwrite files"),
        ("/data/{table_name}/{file_id}", "below the dataset's folder"),
        ("../{table_name}/{file_id}", "below the dataset's folder"),
        ("{table_name}/{file_id", "braces"),
        ("{table_name}/{load_id}.{file_id}.{ext}.bak", "`.{ext}` at its end"),
        ("{table_name}/{ext}/{load_id}.{file_id}", "`.{ext}` at its end"),
        ("{table_name}/{load_id}.{file_id}-{ext}", "`.{ext}` at its end"),
        ("{table_name!r}/{file_id}", "`{table_name}` without a format"),
        ("{table_name}/{file_id:.1}", "`{file_id}` without a format"),
    ],
)
def test_a_layout_that_mixes_tables_or_loses_files_is_refused(template: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Layout(template)
    assert said in str(caught.value)


def test_a_fixed_file_id_makes_no_file_unique() -> None:
    with pytest.raises(UsageError, match="overwrite"):
        Layout("{table_name}/{file_id}", extra={"file_id": "data"})


@pytest.mark.parametrize("name", ["schema_name", "table_name", "ext"])
def test_what_files_are_found_by_has_no_other_value(name: str) -> None:
    with pytest.raises(UsageError, match=f"can't give `{name}` another value"):
        Layout("{schema_name}/{table_name}/{file_id}.{ext}", extra={name: "x"})


@pytest.mark.parametrize("value", ["../../x", "", "a//b", "."])
def test_a_value_does_not_lead_out_of_the_folder(value: str) -> None:
    with pytest.raises(DestinationError, match="table `orders` would be stored at"):
        Layout("{table_name}/{v}/{file_id}", extra={"v": value}).path(FILE)


def owned(template: str, table: str, paths: list[str], **extra: Any) -> list[str]:
    layout = Layout(template, extra=extra)
    prefix = layout.prefix("shop", table)
    return layout.owned(
        [p for p in paths if p.startswith(prefix)], "shop", table, ["t", "t__l", "t_5", "t_x"]
    )


def test_all_data_files_in_a_tables_folder_are_its_own() -> None:
    paths = ["t/1.5.ab.jsonl.gz", "t/2024/old.parquet", "t/README.md", "t__l/1.5.ab.jsonl.gz", "t/x.csv"]
    assert owned(DEFAULT_LAYOUT, "t", paths) == ["t/1.5.ab.jsonl.gz", "t/2024/old.parquet", "t/x.csv"]
    assert owned("{schema_name}/{table_name}/{file_id}", "t", ["shop/t/a.csv", "else/t/a.csv"]) == [
        "shop/t/a.csv"
    ]


def test_without_folders_a_file_belongs_to_the_longest_table_that_fits() -> None:
    paths = [
        f"{t}_{load}.0a1b2c3d4e.csv.gz" for t in ("t", "t__l", "t_5", "t_x") for load in ("179.5", "180")
    ]
    template = "{table_name}_{load_id}.{file_id}"
    assert owned(template, "t", paths) == paths[:2]
    assert owned(template, "t_5", paths) == paths[4:6]
    fuzzy = ["t_red.aa.csv", "t_x_red.aa.csv"]
    assert owned("{table_name}_{who}.{file_id}", "t", fuzzy, who="red") == ["t_red.aa.csv"]
    assert owned("{table_name}_{who}.{file_id}", "t_x", fuzzy, who="red") == ["t_x_red.aa.csv"]
