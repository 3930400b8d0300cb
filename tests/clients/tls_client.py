"""TLS on the port of PostgreSQL: clients that check the certificate come in, and nothing falls back to plain text."""

import os
import socket
import ssl
import struct
import subprocess
from pathlib import Path

import psycopg

from rows import QUERY, same, start

SSL_REQUEST = struct.pack(">ii", 8, 80_877_103)
STARTUP = b"user\0admin\0database\0zonelake\0\0"
STARTUP = struct.pack(">ii", len(STARTUP) + 8, 196_608) + STARTUP


def openssl(folder: Path, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def certificates(folder: Path):
    """An authority of our own, a certificate of it for localhost, and an authority that has signed nothing."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    extension = ("-addext", "basicConstraints=critical,CA:TRUE")
    for name in ("authority", "stranger"):
        subject = ("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl(folder, "req", "-x509", *curve, *subject, *extension)
    openssl(folder, "req", *curve[:-2], "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)


def connect(server, mode, authority, host="localhost"):
    options = {"sslmode": mode, "sslrootcert": str(authority), "connect_timeout": 10}
    return psycopg.connect(
        host=host, hostaddr="127.0.0.1", port=server.postgres, user="admin", password=server.password,
        dbname="zonelake", autocommit=True, **options
    )  # fmt: skip


def fails(action, words: str):
    try:
        action()
    except psycopg.OperationalError as error:
        assert words in str(error), error
        return
    raise AssertionError(f"it did not fail: {words}")


def check(server):
    # The server of all clients has no certificate: who wants TLS is told that there is none, and goes.
    fails(lambda: connect(server, "require", "/nonexistent"), "does not support SSL")
    folder = Path(server.folder.name) / "certificates"
    folder.mkdir()
    certificates(folder)
    with start(postgres_certificate=folder / "server.pem", postgres_key=folder / "server.key") as secured:
        verified(secured, folder)
        never_plain(secured)
        secured.end()


def verified(server, folder):
    authority = folder / "authority.pem"
    with connect(server, "verify-full", authority) as connection:
        assert connection.pgconn.ssl_in_use, "it is plain"
        same(connection.execute(QUERY).fetchall())
        assert connection.execute("SELECT count(*) FROM generate_series(1, 1000000)").fetchone() == (1_000_000,)
        # A request to cancel comes over TLS as well.
        connection.cancel_safe(timeout=10)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    fails(lambda: connect(server, "verify-full", folder / "stranger.pem"), "certificate verify failed")
    fails(lambda: connect(server, "verify-full", authority, host="other.example"), "does not match host name")
    address = f"host=localhost port={server.postgres} user=admin dbname=zonelake sslmode=verify-full sslrootcert={authority}"
    done = subprocess.run(
        ["psql", "-X", "-At", address, "-c", "\\conninfo", "-c", "SELECT count(*) FROM probe"],
        capture_output=True, text=True, env={**os.environ, "PGPASSWORD": server.password}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and "TLSv1.3" in done.stdout and done.stdout.endswith("\n5\n"), done


def never_plain(server):
    """Whoever asks for TLS gets it or nothing: no byte of the server is readable after that."""
    for garbage in (STARTUP, b"\x00" * 64, b"\x16\x03\x01\x00\x05hello"):
        with socket.create_connection(("127.0.0.1", server.postgres), timeout=10) as plain:
            plain.sendall(SSL_REQUEST)
            assert plain.recv(1) == b"S"
            plain.sendall(garbage)
            answer = received(plain)
            # At most an alert of TLS.
            assert answer == b"" or answer[0] == 0x15, answer
    # What was sent behind the request, before TLS, is no part of what is encrypted.
    with socket.create_connection(("127.0.0.1", server.postgres), timeout=10) as plain:
        plain.sendall(SSL_REQUEST + STARTUP)
        assert plain.recv(1) == b"S"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with context.wrap_socket(plain) as secured:
                raise AssertionError(f"TLS began with what was sent before it: {secured.version()}")
        except (ssl.SSLError, ConnectionError):
            pass


def received(plain: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    answer = b""
    try:
        while part := plain.recv(4_096):
            answer += part
    except ConnectionError:
        pass
    return answer
