"""The examples of docs/python.md run as they are written, one after the other, against a real server."""

import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from cases import REPOSITORY, ServerCase


class Document(ServerCase):
    def test_examples_run_as_they_are_written(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copy(self.certificate, folder / "cert.pem")
        told = {
            "ZONELAKE_URL": self.server.url,
            "ZONELAKE_PASSWORD": self.server.password,
            "ZONELAKE_SERVER": self.address,
            "ZONELAKE_TOKEN": self.token,
        }
        page = (REPOSITORY / "docs" / "python.md").read_text()
        examples = re.findall(r"```python\n(.*?)```", page, re.S)
        self.assertGreater(len(examples), 3)
        here, names = Path.cwd(), {}
        self.addCleanup(os.chdir, here)
        os.chdir(folder)
        with mock.patch.dict(os.environ, told):
            for number, example in enumerate(examples, 1):
                exec(compile(example, f"docs/python.md, example {number}", "exec"), names)
        self.assertEqual(names["totals"].rows, 1)
        found = self.server.sql("select device, pressure from production order by pressure").to_pylist()
        self.assertEqual([row["pressure"] for row in found], [3.9, 4.1, 4.2])


if __name__ == "__main__":
    unittest.main()
