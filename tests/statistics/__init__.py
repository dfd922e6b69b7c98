# ruff: noqa: A005 - it is only ever `tests.statistics`
