"""Rows on their way to MySQL: as text."""

from __future__ import annotations

import ssl

import pyarrow as pa
import pytest

pytest.importorskip("pymysql", reason="needs ladle[mysql]")

from ladle.destinations.mysql_line import Line
from ladle.destinations.mysql_load import Rows
from ladle.schema.table import Column, Table


def test_rows_end_whatever_their_last_value_is() -> None:
    table = Table("t", {n: Column(n, "text") for n in "ab"})
    batch = pa.record_batch({"a": ["x", None, "t\tn\nb\\"], "b": [None, "", "y"]})
    rows = Rows(table, batch.schema, {"a": "longtext", "b": "longtext"}, 1 << 20)
    text = b"".join(buffer.to_pybytes() for buffer in rows.lines([batch, batch.slice(0, 0)]))
    assert text == b"x\t\\N\n\\N\t\nt\\tn\\nb\\\\\ty\n"


def test_a_connection_that_checks_no_certificate_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *args: pytest.fail("read all CAs"))
    context = Line(defer_connect=True).ctx
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_connection_that_checks_the_certificate_does() -> None:
    context = Line(defer_connect=True, ssl_verify_cert=True, ssl_verify_identity=True).ctx
    assert context.verify_mode == ssl.CERT_REQUIRED
