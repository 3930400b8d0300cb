"""Clients of Node.js: node-postgres, postgres.js, Sequelize and TypeORM, each in node_client.mjs."""

import subprocess
from pathlib import Path


def check(server):
    program = Path(__file__).with_name("node_client.mjs")
    done = subprocess.run(
        ["node", program, str(server.postgres), server.password], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
