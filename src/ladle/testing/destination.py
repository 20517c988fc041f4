"""DestinationSuite: what a destination has to do, as tests that its author inherits."""

from __future__ import annotations

from ladle.testing.name_tests import NameTests


class DestinationSuite(NameTests):
    """What every destination has to do.

    A test file makes a class of it, and says where to load to::

        class TestMine(DestinationSuite):
            @pytest.fixture
            def destination(self, tmp_path):
                return mine(tmp_path / "mine")

    What a destination can hold the suite takes from its `limits`: a merge that they don't name has to be
    refused, names are cut to their lengths. What else differs is told by attributes of the class:

    Attributes:
        options: of each run, such as `{"loader_file_format": "parquet"}`.
        marks: `notimpl`, `notyet` or `never`, by the name of a test that can't pass.
        conversions: what it makes of values that it can't hold, names of `ladle.testing.CONVERSIONS`.
        refusals: the class of the error, by the name of a case of `ladle.testing.CASES` that it refuses.

    The destination has to be one that can be read. Each test has a dataset of its own, so that `destination`
    may return a server that is kept for all of them. Tests take about 10 s; those of values of 100 MB are
    marked `slow`, a mark that has to be declared where pytest runs with `--strict-markers`.
    """
