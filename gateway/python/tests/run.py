"""Runs the tests of the client with the package that Python finds: the installed wheel, or the source with its folder in
PYTHONPATH.

    python gateway/python/tests/run.py [-v] [test_forward…]
"""

import sys
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def main():
    sys.path.insert(0, str(TESTS))
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    all_names = sorted(path.stem for path in TESTS.glob("test_*.py"))
    unittest.main(module=None, argv=[sys.argv[0], *flags, *(names or all_names)])


if __name__ == "__main__":
    main()
