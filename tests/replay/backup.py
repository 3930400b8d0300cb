"""A back-up that is taken while rows come in and are flushed has every row that was acknowledged before it began, each once,
and a server that is started on it goes on.

    python tests/replay/backup.py
"""

import subprocess
import sys
import threading

from server import Server, binary

START_S = 1_700_000_000
ROWS = 200


def lines(batch: int) -> str:
    rows = range(batch * ROWS, (batch + 1) * ROWS)
    return "".join(f"environment,device=d{row % 7} temperature={row % 40} {(START_S + row) * 1_000_000}\n" for row in rows)


def run(server: Server, *arguments) -> subprocess.CompletedProcess:
    command = [binary(), *arguments]
    return subprocess.run(
        command, env=server.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def main() -> int:
    with Server(flush_age_seconds=2) as server, Server(flush_age_seconds=1) as restored:
        server.start()
        token = server.add_gateway("writer")
        acknowledged, stop = 0, threading.Event()

        def keep_writing():
            nonlocal acknowledged
            while not stop.is_set():
                server.write(token, lines(acknowledged // ROWS))
                acknowledged += ROWS
                stop.wait(0.02)

        writer = threading.Thread(target=keep_writing)
        writer.start()
        stop.wait(3)
        before = acknowledged
        copies = server.data.parent / "copies"
        copying = run(server, "backup", copies)
        after = acknowledged
        stop.set()
        writer.join()
        assert copying.returncode == 0, copying.stdout + copying.stderr
        assert 0 < before < after, f"rows came in while the copy was made: {before}, {after}"
        print("  " + copying.stderr.strip().splitlines()[-1])
        restoring = run(restored, "restore", copies)
        assert restoring.returncode == 0, restoring.stdout + restoring.stderr

        restored.password = server.password
        restored.start()
        count = "select count(*) from environment"
        found = restored.value(count)
        assert before <= found <= acknowledged, f"{before} were acknowledged before the copy, {found} are in it"
        assert restored.value("select count(distinct time) from environment") == found, "each is there once"
        print(f"  {before} rows acknowledged before, {found} in the copy, {after} when it was complete")

        for batch in range(5):
            restored.write(token, lines(acknowledged // ROWS + batch))
        restored.kill()
        restored.start()
        assert restored.value(count) == found + 5 * ROWS, "what is written after the restoring survives a kill"
        restored.end()
        restored.start()
        assert restored.value(count) == found + 5 * ROWS
        assert restored.value("select count(distinct time) from environment") == found + 5 * ROWS
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
