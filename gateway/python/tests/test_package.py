"""The package as it is installed: every public name is there, and what is missing is said with its remedy."""

import subprocess
import sys
import unittest

import zonelake
from zonelake import aio

# A finder that hides modules, as on a machine that has only what the extra in question brings.
HIDDEN = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ImportError(f"no module named {{name}}")
sys.meta_path.insert(0, Hidden())
"""


def without(hidden: set, program: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", HIDDEN.format(hidden=hidden) + program], capture_output=True, text=True)


class Package(unittest.TestCase):
    def test_every_public_name_is_there_and_documented(self):
        for name in zonelake.__all__:
            value = getattr(zonelake, name)
            self.assertTrue(name == "__version__" or value.__doc__, name)
        self.assertTrue(aio.Forwarder.__doc__ and aio.Gateway.__doc__)
        self.assertRaises(AttributeError, lambda: zonelake.nothing)

    def test_lines_need_no_arrow_and_rows_say_what_they_need(self):
        program = """
import tempfile, zonelake
with tempfile.TemporaryDirectory() as folder:
    with zonelake.Forwarder("127.0.0.1:9", "zl_x", producer="p", table="t", folder=folder, encoding="line") as forwarder:
        print(len(forwarder.send("t,device=a x=1 1\\nt,device=b x=2 1\\n")))
        try:
            forwarder.send({"time": 1, "device": "a"})
        except ImportError as error:
            print(error)
"""
        done = without({"pyarrow", "pandas", "polars", "numpy"}, program)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("pip install 'zonelake[arrow]'", done.stdout)

    def test_reading_needs_no_quic_and_says_which_extra_is_missing(self):
        done = without({"aioquic", "google_crc32c", "fcntl"}, "import zonelake; print(zonelake.query, zonelake.connect)")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = without({"adbc_driver_flightsql"}, "import zonelake; zonelake.query('SELECT 1', password='x')")
        self.assertIn("pip install 'zonelake[query]'", done.stderr)


if __name__ == "__main__":
    unittest.main()
