"""The table of faults: every fault has its tests, and they are there."""

import ast

import pytest
from faults import TABLE, Fault, path_of, read_faults, table


def test_no_fault_is_left_out():
    assert [fault.number for fault in read_faults()] == list(range(1, 41))


@pytest.mark.parametrize("fault", read_faults(), ids=lambda fault: str(fault.number))
def test_every_test_of_a_fault_is_there_and_named_once(fault: Fault):
    assert fault.tests and len(set(fault.tests)) == len(fault.tests)
    for test in fault.tests:
        file, function = test.split("::")
        tree = ast.parse(path_of(file).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_the_table_to_read_says_what_the_file_says():
    assert TABLE.read_text(encoding="utf-8") == table(), "type: python tests/faults.py"
