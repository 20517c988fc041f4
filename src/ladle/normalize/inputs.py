"""What the resources of a package read, as rows of `_ladle_inputs`: loaded in the same commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
import pyarrow as pa

from ladle.normalize.changes import Codes, code_cells
from ladle.normalize.keys import LOAD_ID, ROW_ID
from ladle.schema.provenance import Input
from ladle.schema.records import INPUTS
from ladle.schema.types import arrow_type

_ARROW = pa.schema([(c.name, arrow_type(c)) for c in INPUTS.columns.values()])


def input_rows(inputs: Sequence[Input], source: str, load_id: str, codes: Codes) -> pa.RecordBatch:
    """Return a row for each input.

    Args:
        inputs: as resources noted them.
        source: name of the schema.
        load_id: of the package.
        codes: of the resources, by name.
    """
    at = datetime.now(UTC)
    rows = [
        {
            "resource": found.resource,
            "source": source,
            "namespace": found.namespace,
            "name": found.name,
            "row_count": found.rows,
            "facets": orjson.dumps(dict(found.facets)).decode() if found.facets else None,
            "noted_at": at,
            **code_cells(codes.get(found.resource)),
            LOAD_ID: load_id,
            ROW_ID: f"{load_id}.{number}",
        }
        for number, found in enumerate(inputs)
    ]
    return pa.RecordBatch.from_pylist(rows, _ARROW)
