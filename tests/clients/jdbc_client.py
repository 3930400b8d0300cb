"""pgJDBC: metadata, prepared statements, fetch size; the client is a small Java program."""

import subprocess
import tempfile
from pathlib import Path

JAR = "/usr/share/java/postgresql.jar"
SOURCE = Path(__file__).with_name("JdbcClient.java")


def check(server):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["javac", "-d", folder, SOURCE], check=True)
        done = subprocess.run(
            ["java", "-Xmx256m", "-cp", f"{folder}:{JAR}", "JdbcClient", str(server.postgres), server.password],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
