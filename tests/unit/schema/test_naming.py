"""Naming conventions: the tables of spec 2.1 to 2.3, a golden file from dlt, and what must always hold."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import UsageError
from ladle.schema.naming import Naming, custom_naming, naming, shorten
from ladle.schema.naming_rules import ByteLength, fits

GOLDEN = Path(__file__).parents[2] / "golden" / "naming.csv"
BUILT_IN = ("snake_case", "duck_case", "direct", "sql_cs_v1", "sql_ci_v1", "s3_tables")
SNAKE = naming("snake_case")

# Plain random text seldom hits what the rules are about.
TRICKY = st.text(alphabet="abYZ019_- .\"'\n▶é💥١+", max_size=14)
NAMES = st.one_of(TRICKY, st.text(max_size=30))
CONVENTIONS = st.sampled_from([naming(name) for name in BUILT_IN])

IDENTIFIERS = {
    "DealFlow": "deal_flow", "createdAt": "created_at", "HTTPServer": "http_server",
    "HTTPResponseCode": "http_response_code", "ABc": "a_bc", "ABCDefGHI": "abc_def_ghi",
    "userID": "user_id", "UserIDs": "user_i_ds", "iPhone": "i_phone", "x86": "x86", "X86Y": "x86_y",
    "a1B2": "a1_b2", "camelCase2Snake": "camel_case2_snake", "2ndPlace": "_2nd_place", "1": "_1",
    "+1": "x1", "-1": "_1", "a@b": "aab", "a*b": "axb", "a|b": "alb", "a b": "a_b", "a-b": "a_b",
    "a.b": "a_b", "a/b": "a_b", "a_": "ax", "a__": "axx", "name_": "namex", "_": "x", "__": "xx",
    "_id": "_id", "__v": "_v", "a__b": "a_b", "a___b": "a_b", "$id": "_id", "#": "x", "%": "x",
    "(x)": "_xx", "ünï": "_nx", "naïve": "na_ve", "日本": "x", "emoji💥x": "emoji_x",
    "  padded  ": "padded", "a$b$": "a_bx", "Inventory nr": "inventory_nr", "foo_-_bar": "foo_bar",
    "_DLT_ID": "_dlt_id",
}  # fmt: skip

CONVENTION_TABLE = {
    "snake_case": ("deal_flow", "a_b", "x1", "_2nd", "ax", "x"),
    "duck_case": ("DealFlow", "a b", "+1", "2nd", "a_", "💥"),
    "direct": ("DealFlow", "a b", "+1", "2nd", "a_", "💥"),
    "sql_cs_v1": ("DealFlow", "a_b", "_1", "_2nd", "a", "_"),
    "sql_ci_v1": ("dealflow", "a_b", "_1", "_2nd", "a", "_"),
    "s3_tables": ("deal_flow", "a_b", "x1", "_2nd", "ax", "x"),
}
CONVENTION_INPUTS = ("DealFlow", "a b", "+1", "2nd", "a_", "💥")


@pytest.mark.parametrize(("text", "expected"), IDENTIFIERS.items())
def test_snake_case_identifier(text: str, expected: str) -> None:
    assert SNAKE.identifier(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a__", "a"), ("__v", "v"), ("a__b", "a__b"), ("a___b", "a___b"), ("k__", "k"), ("_", "x"),
     ("CamelKey__Inner Key", "camel_key__inner_key"), ("T__One", "t__one"), ("1__2", "_1___2"),
     (" a __ b ", "a__b")],
)  # fmt: skip
def test_a_key_is_normalised_as_a_path(text: str, expected: str) -> None:
    assert SNAKE.path(text) == expected


def test_row_of_the_specification_gets_its_columns() -> None:
    keys = [
        ("__v",),
        ("a__b",),
        ("a___c",),
        ("k__",),
        ("_",),
        ("CamelKey", "Inner Key"),
        ("CamelKey", "x__y"),
    ]
    names = [SNAKE.join(*key) for key in keys]
    assert names == ["v", "a__b", "a___c", "k", "x", "camel_key__inner_key", "camel_key__x__y"]


def test_golden_names_are_those_of_dlt() -> None:
    with GOLDEN.open(newline="", encoding="ascii") as lines:
        rows = [
            tuple(cell.encode("ascii").decode("unicode_escape") for cell in row.values())
            for row in csv.DictReader(lines)
        ]
    assert len(rows) > 200
    assert [(text, SNAKE.identifier(text), SNAKE.path(text)) for text, _, _ in rows] == rows


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("position", range(len(CONVENTION_INPUTS)))
def test_each_convention_has_its_own_identifiers(name: str, position: int) -> None:
    assert naming(name).identifier(CONVENTION_INPUTS[position]) == CONVENTION_TABLE[name][position]


@pytest.mark.parametrize(
    ("name", "separator", "case_sensitive"),
    [("snake_case", "__", False), ("duck_case", "__", True), ("direct", "▶", True),
     ("sql_cs_v1", "__", True), ("sql_ci_v1", "__", False), ("s3_tables", "__", False)],
)  # fmt: skip
def test_conventions_declare_separator_and_case(name: str, separator: str, case_sensitive: bool) -> None:
    convention = naming(name)
    assert (convention.name, convention.separator) == (name, separator)
    assert convention.case_sensitive is case_sensitive


def test_direct_keeps_spelling_and_joins_with_an_arrow() -> None:
    direct = naming("direct")
    assert direct.join("CamelKey", "Inner") == "CamelKey▶Inner"
    assert direct.join("My Table", "Lst") == "My Table▶Lst"
    assert direct.identifier('it\'s "a"▶b') == "it_s _a__b"


@pytest.mark.parametrize(
    ("text", "table", "dataset"),
    [("_dlt_loads", "dlt_loads", "dlt_loads"), ("2nd", "2nd", "2nd"), ("_t__a", "t__a", "t_a"),
     ("_My__Data Set_", "my__data_setx", "my_data_setx"), ("a___b", "a__b", "a_b"), ("_", "x", "x")],
)  # fmt: skip
def test_s3_tables_strips_leading_underscores_of_tables_and_datasets(
    text: str, table: str, dataset: str
) -> None:
    s3 = naming("s3_tables")
    assert (s3.table(text), s3.dataset(text)) == (table, dataset)
    assert s3.path("_dlt_id") == "_dlt_id"


def test_elsewhere_a_table_is_a_path_and_a_dataset_one_identifier() -> None:
    assert SNAKE.table("T__One") == "t__one"
    assert SNAKE.dataset("_My__Data Set_") == "_my_data_setx"


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_identifier_is_an_error(name: str, text: str) -> None:
    for call in (naming(name).identifier, naming(name).dataset):
        with pytest.raises(UsageError, match="a name can't be empty"):
            call(text)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("snake_case", "", "_empty"), ("snake_case", "  ", "_empty"), ("snake_case", "__", "xx"),
     ("snake_case", "____", "xxxx"), ("duck_case", "__", "_"), ("direct", "▶", "_"),
     ("sql_cs_v1", "__", "x"), ("sql_ci_v1", "_💥", "x"), ("s3_tables", "", "_empty")],
)  # fmt: skip
def test_a_key_of_which_nothing_is_left_still_gets_a_name(name: str, text: str, expected: str) -> None:
    assert naming(name).path(text) == expected


def test_an_empty_key_inside_a_dict_does_not_take_its_parents_name() -> None:
    assert [SNAKE.join("a", key) for key in ("", "__", "b")] == ["a___empty", "a__xx", "a__b"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("sql_cs_v1", "💥__a", "_a"), ("sql_cs_v1", "💥__1", "_1"), ("sql_cs_v1", "a__💥__b", "a___b"),
     ("sql_ci_v1", "💥__💥", "x"), ("duck_case", 'a"___b', "a__b"), ("snake_case", 'a"___b', "ax___b")],
)  # fmt: skip
def test_an_underscore_at_a_fragments_end_does_not_melt_with_the_separator(
    name: str, text: str, expected: str
) -> None:
    assert naming(name).path(text) == expected


def test_join_needs_a_part() -> None:
    with pytest.raises(UsageError, match="at least one part"):
        SNAKE.join()
    with pytest.raises(UsageError, match="at least one part"):
        SNAKE.fit(max_length=20)


@pytest.mark.parametrize(
    ("limit", "source", "expected"),
    [(20, "a_very_long_identifier_name", "a_very_ebfjtger_name"),
     (20, "a_very_long_identifier_namf", "a_very_ep7qhaer_namf"),
     (20, "x" * 21, "xxxxxxxtxy4ywxxxxxxx"),
     (20, "CamelCaseVeryLongIdentifierName", "camel_coytihwer_name"),
     (63, "a" * 64, "a" * 29 + "fv1mma" + "a" * 28),
     (20, "ParentTableName__ChildTableName", "parent_7v9abale_name"),
     (20, "A__VeryLongFragmentNameThatIsLong", "a__verygggdsqis_long"),
     (7, "a_very_long_identifier_name", "aebfjtg"), (6, "a_very_long_identifier_name", "ebfjtg"),
     (20, "short", "short"), (5, "short", "short"), (None, "a" * 300, "a" * 300)],
)  # fmt: skip
def test_a_long_name_is_shortened_by_the_formula_of_dlt(
    limit: int | None, source: str, expected: str
) -> None:
    assert shorten(SNAKE.path(source), source, limit) == expected
    assert SNAKE.fit(source, max_length=limit) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [(("parent_table_name", "child_table_name"), "parent_koyouwle_name"),
     (("CamelKeyVeryLongName", "Inner Key Very Long"), "camel_kmajksqry_long"),
     (("ParentTableName", "ListOfVeryLongNames"), "parent_vjkwogg_names"),
     (("ParentTableName", "ListOfVeryLongNames", "SubListOfLongNames"), "parent_xsln7wg_names"),
     (("a", "b"), "a__b")],
)  # fmt: skip
def test_compound_names_are_joined_first_and_shortened_whole(parts: tuple[str, ...], expected: str) -> None:
    assert SNAKE.fit(*parts, max_length=20) == expected


def test_source_of_one_identifier_is_stripped_before_it_is_tagged() -> None:
    assert SNAKE.fit(" a_very_long_identifier_name ", max_length=20) == "a_very_ebfjtger_name"


@pytest.mark.parametrize("limit", [5, 1, 0])
def test_a_limit_without_room_for_the_tag_is_an_error(limit: int) -> None:
    with pytest.raises(UsageError, match=f"cannot shorten `abcdefgh` to {limit} characters"):
        shorten("abcdefgh", "abcdefgh", limit)


@given(CONVENTIONS, NAMES)
def test_path_is_idempotent_and_never_empty(convention: Naming, text: str) -> None:
    for once in (convention.path, convention.table):
        name = once(text)
        assert name
        assert once(name) == name


@given(CONVENTIONS, NAMES.filter(str.strip))
def test_identifier_is_idempotent_and_never_empty(convention: Naming, text: str) -> None:
    for once in (convention.identifier, convention.dataset):
        name = once(text)
        assert name
        assert once(name) == name


@given(CONVENTIONS, st.lists(NAMES, min_size=1, max_size=4))
def test_a_joined_name_reads_back_as_itself(convention: Naming, parts: list[str]) -> None:
    name = convention.join(*parts)
    assert name
    assert convention.path(name) == name


@given(CONVENTIONS, st.lists(NAMES, min_size=1, max_size=3), st.integers(6, 40))
def test_a_fitted_name_keeps_the_limit(convention: Naming, parts: list[str], limit: int) -> None:
    assert 0 < len(convention.fit(*parts, max_length=limit)) <= limit


@given(NAMES, st.integers(6, 40))
def test_a_shortened_name_has_exactly_the_limit(text: str, limit: int) -> None:
    name = SNAKE.path(text)
    assert len(shorten(name, text, limit)) == min(len(name), limit)


@pytest.mark.parametrize("prefix", ["dlt.common.normalizers.naming.", "dlt.common.normalizers.names."])
def test_import_paths_that_dlt_stored_are_known(prefix: str) -> None:
    assert naming(prefix + "snake_case") is SNAKE


def test_conventions_are_values() -> None:
    assert naming("direct") == naming("direct") != SNAKE
    assert pickle.loads(pickle.dumps(SNAKE)) == SNAKE


@pytest.mark.parametrize("name", ["snakecase", "no_such_package.naming", "", "snake case", "__class__"])
def test_an_unknown_name_lists_the_choices(name: str) -> None:
    with pytest.raises(UsageError, match="unknown naming convention") as caught:
        naming(name)
    assert "snake_case, duck_case, direct" in str(caught.value)
    if name == "snakecase":
        assert "did you mean `snake_case`?" in str(caught.value)


CUSTOM_MODULES = {
    "ladle_names_a": """
class NamingConvention:
    PATH_SEPARATOR = "::"
    is_case_sensitive = False
    def normalize_identifier(self, text): return text.lower().replace(":", "_")
    def normalize_table_identifier(self, text): return "t_" + text.removeprefix("t_")
""",
    "ladle_names_b": "def identifier(text): return text.upper()",
    "ladle_names_c": "class Mine:\n    def identifier(self, text): return 'c_' + text",
    "ladle_names_d": "x = 1",
    "ladle_names_e": "import no_such_dependency",
    "ladle_names_f": "def identifier(text): return None",
}


@pytest.fixture
def custom_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in CUSTOM_MODULES.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("custom_modules")
def test_a_module_with_a_convention_class_is_found_by_import_path() -> None:
    convention = naming("ladle_names_a")
    assert (convention.name, convention.separator, convention.case_sensitive) == (
        "ladle_names_a",
        "::",
        False,
    )
    assert convention.path("A:b::C") == "a_b::c"
    assert convention.table("Tab") == "t_Tab"
    assert convention == naming("ladle_names_a")


@pytest.mark.usefixtures("custom_modules")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("ladle_names_b", "A__B"), ("ladle_names_b.identifier", "A__B"), ("ladle_names_c.Mine", "c_a__c_b")],
)
def test_functions_and_named_classes_are_conventions_too(name: str, expected: str) -> None:
    convention = naming(name)
    assert convention.path("a__b") == expected
    assert (convention.separator, convention.case_sensitive) == ("__", True)


@pytest.mark.usefixtures("custom_modules")
@pytest.mark.parametrize(
    ("name", "message"),
    [("ladle_names_d", "`ladle_names_d` is no naming convention"),
     ("ladle_names_e", "cannot import naming convention `ladle_names_e`"),
     ("ladle_names_c.Other", "unknown naming convention")],
)  # fmt: skip
def test_what_is_no_convention_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        naming(name)


@pytest.mark.usefixtures("custom_modules")
def test_a_convention_must_return_text() -> None:
    with pytest.raises(UsageError, match="returned NoneType for `a`"):
        naming("ladle_names_f").path("a")


def test_any_object_makes_a_convention_but_its_separator_must_be_text() -> None:
    assert custom_naming("mine", str.upper).join("a", "b") == "A__B"

    class NoSeparator:
        separator = ""

        def identifier(self, text: str) -> str:
            return text

    with pytest.raises(UsageError, match="has separator ''"):
        custom_naming("mine", NoSeparator)


@pytest.mark.parametrize(
    ("chars", "bytes_"), [("é" * 63, 126), ("東" * 40, 120), ("x" * 64, 64), ("🦆" * 16, 64)]
)
def test_a_limit_in_bytes_counts_bytes(chars: str, bytes_: int) -> None:
    assert len(chars.encode()) == bytes_
    short = shorten(chars, chars, ByteLength(63))
    assert not fits(chars, ByteLength(63))
    assert len(short.encode()) <= 63
    assert short != shorten(chars + "x", chars + "x", ByteLength(63))
    assert shorten("x" * 64, "x" * 64, ByteLength(63)) == shorten("x" * 64, "x" * 64, 63)


@pytest.mark.parametrize("name", ["direct", "duck_case"])
def test_nul_is_no_part_of_a_name(name: str) -> None:
    assert naming(name).identifier("a\0b") == "a_b"
