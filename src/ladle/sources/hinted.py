"""What has hints: the part of a resource that says how its tables look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

from ladle.errors import UsageError
from ladle.schema.naming import Naming
from ladle.sources.hints import Hints
from ladle.sources.incremental import Incremental
from ladle.sources.models import contract_of_model
from ladle.sources.steps import is_cursor, takes_meta
from ladle.sources.tables import nested_tables, table_schema
from ladle.sources.validator import ModelValidator


class Hinted:
    """Hints of the tables of something named.

    Attributes:
        name: also the table's name, unless the hints have one.
        hints: of its tables.
        incremental: cursor that isn't an argument of its function.
    """

    name: str
    hints: Hints
    incremental: Any
    _variants: dict[str, Hints]
    _validator: Any

    def apply_hints(
        self,
        table_name: Any = None,
        parent_table_name: Any = None,
        write_disposition: Any = None,
        columns: Any = None,
        primary_key: Any = None,
        merge_key: Any = None,
        incremental: Any = None,
        schema_contract: Any = None,
        additional_table_hints: Any = None,
        table_format: Any = None,
        file_format: Any = None,
        references: Any = None,
        create_table_variant: bool = False,
        nested_hints: Any = None,
        tags: Any = None,
        rules: Any = None,
    ) -> Self:
        """Change hints: None leaves one as it is, an empty value (`""`, `[]`, `{}`) removes it.

        Column hints are merged by column; a second `primary_key` or `merge_key` replaces the first.

        Args:
            table_name: or a function of the item, as most hints may be.
            parent_table_name: shown by `compute_table_schema`; the table that is loaded stays a root table.
            write_disposition: `append`, `replace` or `skip`, or a dict with `disposition`.
            columns: by name, as a list, or a model: pydantic, a dataclass or a TypedDict.
            primary_key: column name or names.
            merge_key: column name or names.
            incremental: a cursor; an empty value removes it.
            schema_contract: what rows may change, as for `run`.
            additional_table_hints: more hints to note for the table.
            table_format: noted in the schema.
            file_format: for file destinations.
            references: to other tables; noted in the schema.
            create_table_variant: keep these hints for the table named, beside those of the resource.
            nested_hints: by path, for child tables.
            tags: what the table is, whose, and so on: kept in the schema, shown as the table's comment.
            rules: of `ladle.rules`; added to those there are, one of the same name takes its place.

        Raises:
            UsageError: a hint is wrong.
        """
        given = {
            k: v for k, v in locals().items() if k not in ("self", "incremental", "create_table_variant")
        }
        if create_table_variant:
            self.merge_hints(given, create_table_variant=True)
        else:
            self.hints = self.hints.applied(given)
        if incremental is not None:
            self.set_incremental(incremental)
        return self

    def merge_hints(self, hints_template: dict[str, Any], create_table_variant: bool = False) -> None:
        """Merge hints as `ladle.mark.make_hints` returns them.

        Raises:
            UsageError: a hint is wrong, or a variant has no table name.
        """
        given = {k: v for k, v in hints_template.items() if k != "incremental"}
        if not create_table_variant:
            self.hints = self.hints.applied(given)
            if hints_template.get("incremental") is not None:
                self.set_incremental(hints_template["incremental"])
            return
        name = given.get("table_name")
        if not isinstance(name, str) or not name:
            raise UsageError("a variant of hints needs a table_name that is a text")
        self._variants[name] = self._variants.get(name, replace(self.hints, table_name=name)).applied(given)

    def hints_of_table(self, table_name: str) -> Hints | None:
        """Return the hints kept for one table by `create_table_variant`, if any."""
        return self._variants.get(table_name)

    @property
    def variants(self) -> Mapping[str, Hints]:
        """Hints kept by table with `create_table_variant`."""
        return self._variants

    def set_incremental(self, new_incremental: Any) -> Any:
        """Set the cursor of a resource whose function has no such argument; an empty value removes it.

        A dict holds the options of a cursor: `{"cursor_path": "updated_at", "initial_value": 0}`.
        """
        if isinstance(new_incremental, Mapping) and new_incremental:
            new_incremental = Incremental.from_mapping(new_incremental)
        if new_incremental is not None and new_incremental != "" and not is_cursor(new_incremental):
            raise UsageError(
                f"incremental can't be `{new_incremental!r}`",
                expected='ladle.sources.incremental("updated_at"), or "" to remove it',
            )
        self.incremental = new_incremental or None
        return self.incremental

    @property
    def validator(self) -> Any:
        """The step that checks items: of the model given as `columns`, or one that was set."""
        return self.validator_under(None)

    @validator.setter
    def validator(self, step: Any) -> None:
        self._validator = step if step is None or takes_meta(step) else lambda item, _: step(item)

    def validator_under(self, over: Hints | None) -> Any:
        """Return the step that checks items in a run that was given hints, which win."""
        hints = self.hints if over is None else over.over(self.hints)
        if self._validator is not None or hints.model is None:
            return self._validator
        contract = None if callable(hints.schema_contract) else hints.schema_contract
        return ModelValidator(hints.model, contract, self, hints.columns)

    @property
    def has_dynamic_table_name(self) -> bool:
        """Whether the table depends on the item."""
        return callable(self.hints.table_name)

    @property
    def has_other_dynamic_hints(self) -> bool:
        """Whether other hints depend on the item."""
        return bool(self.hints.dynamic)

    @property
    def table_name(self) -> Any:
        """Name of the table, or a function of the item; the resource's name where none is set."""
        return self.hints.table_name or self.name

    @table_name.setter
    def table_name(self, value: Any) -> None:
        self.apply_hints(table_name=value)

    @property
    def write_disposition(self) -> Any:
        """How rows meet what is there: `append`, `replace` or `skip`."""
        return self.hints.write_disposition or "append"

    @write_disposition.setter
    def write_disposition(self, value: Any) -> None:
        self.apply_hints(write_disposition=value)

    @property
    def columns(self) -> Any:
        """Column hints by name."""
        columns = self.hints.columns
        return columns if callable(columns) else {n: {**c, "name": n} for n, c in columns.items()}

    @property
    def schema_contract(self) -> Any:
        """What may change in the tables; with a pydantic model as columns, what the model says."""
        if self.hints.model is not None and not callable(self.hints.schema_contract):
            return contract_of_model(self.hints.model, self.hints.schema_contract)
        return self.hints.schema_contract

    @schema_contract.setter
    def schema_contract(self, value: Any) -> None:
        self.apply_hints(schema_contract=value)

    @property
    def table_format(self) -> Any:
        """Table format noted in the schema."""
        return self.hints.table_format

    @table_format.setter
    def table_format(self, value: Any) -> None:
        self.apply_hints(table_format=value)

    @property
    def parent_table_name(self) -> Any:
        """Parent table noted in the schema."""
        return self.hints.parent_table_name

    @parent_table_name.setter
    def parent_table_name(self, value: Any) -> None:
        self.apply_hints(parent_table_name=value)

    @property
    def nested_hints(self) -> Any:
        """Hints of child tables by path."""
        return self.hints.nested_hints or None

    @property
    def max_table_nesting(self) -> int | None:
        """Levels of nesting that become columns and tables."""
        return self.hints.max_table_nesting

    @max_table_nesting.setter
    def max_table_nesting(self, value: int | None) -> None:
        self.hints = replace(
            self.hints, max_table_nesting=Hints.of(max_table_nesting=value).max_table_nesting
        )

    # -- schema

    def compute_table_schema(self, item: Any = None, meta: Any = None) -> dict[str, Any]:
        """Return the hints as a table in stored form; names as they are in the source.

        Raises:
            DataItemRequiredForDynamicTableHints: hints are functions of the item, and it is missing.
        """
        hints = replace(self.hints, schema_contract=self.schema_contract).of_item(item)
        named = getattr(meta, "table_name", None)
        variant = self._variants.get(named) if isinstance(named, str) else None
        return table_schema(variant or hints, self.name, named if isinstance(named, str) else None)

    def get_nested_hints(
        self, root_table_name: str, naming: Naming, item: Any = None, meta: Any = None
    ) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield name, parent's name and hints of each child table that has hints."""
        nested = (
            self.hints.of_item(item).nested_hints
            if callable(self.hints.nested_hints)
            else self.hints.nested_hints
        )
        yield from nested_tables(root_table_name, naming, nested)

    def compute_nested_table_schemas(
        self, root_table_name: str, naming: Naming, item: Any = None, meta: Any = None
    ) -> list[dict[str, Any]]:
        """Return the hints of child tables as tables in stored form."""
        found = []
        for name, parent, hints in self.get_nested_hints(root_table_name, naming, item, meta):
            made = table_schema(Hints.of(**hints), None, name)
            del made["write_disposition"]
            found.append({**made, "parent": parent})
        return found

    def compute_tables(self, naming: Naming, item: Any = None, meta: Any = None) -> list[dict[str, Any]]:
        """Return the root table and its child tables, as far as hints tell."""
        root = self.compute_table_schema(item, meta)
        return [root, *self.compute_nested_table_schemas(root["name"], naming, item, meta)]
