"""Trust in a server: its certificate is in a file, or is signed by one in it.

A server that shows one of the file's certificates itself is believed under any name and date, as the Rust gateway does:
the certificate that a server makes at its first start is for `localhost`, and gateways dial it by another name. aioquic
has no such rule, so the check is made here, behind the handshake and before anything is sent on the connection. That
the server holds the key of its certificate, aioquic checks in any case."""

from __future__ import annotations

from pathlib import Path

from aioquic import tls
from aioquic.quic.connection import QuicConnection
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .errors import NotTrusted


class Trust:
    """The certificates of a PEM file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._certificates = {_der(own) for own in x509.load_pem_x509_certificates(path.read_bytes())}
        except OSError as error:
            raise NotTrusted(f"the trusted certificate {path} cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise NotTrusted(f"the trusted certificate {path} is not in PEM form: {error}") from error

    def check(self, quic: QuicConnection, server: str, host: str) -> None:
        """Raises `NotTrusted` unless the server's certificate is one of the file, or signed by one of it, in date and for
        this host."""
        shown: x509.Certificate | None = quic.tls._peer_certificate
        if shown is None:
            raise NotTrusted(f"{server} shows no certificate")
        if _der(shown) in self._certificates:
            return
        try:
            tls.verify_certificate(
                certificate=shown, chain=quic.tls._peer_certificate_chain, server_name=host, cafile=str(self.path)
            )
        except tls.Alert as error:
            raise NotTrusted(
                f"{server} shows a certificate that is neither in {self.path} nor signed by one in it: {error}"
            ) from error


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
