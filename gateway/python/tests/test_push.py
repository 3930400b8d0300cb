"""Pushes to a real server: acknowledged, cut off, killed, resumed; nothing missing or double.

ZONELAKE_BINARY names the program under test; without it, the release build is taken."""

import asyncio
import threading
import unittest

from cases import ServerCase, check_production, production, zonelake

from zonelake import LinkError, NotTrusted, Refused, RefusedCode, StateLost, aio
from zonelake.wire import Lane

BATCHES, ROWS = 60, 400


class Push(ServerCase):
    def gateway(self, token=None, **options):
        # Few batches at once, so that the link breaks with most of them still to come.
        options = {"unacked_bytes_max": 64 << 10, "certificate": self.certificate} | options
        return aio.Gateway(self.address, token or self.token, **options)

    def push(self, *arguments, gateway=None, **options):
        return asyncio.run((gateway or self.gateway()).push(*arguments, **options))

    def test_what_is_cut_off_and_killed_on_the_way_is_there_exactly_once(self):
        batches, cut, killed, restarts = list(production(BATCHES, ROWS)), [], [], []
        gateway = self.gateway()

        def disturb(durable):
            if durable >= 15 and not cut:
                cut.append(durable)
                gateway.connection.cut()
            if durable >= 35 and not killed:
                killed.append(durable)
                self.server.kill()
                restarts.append(threading.Thread(target=self.server.start))
                restarts[0].start()

        totals = self.push("line-3", "production", batches, gateway=gateway, on_ack=disturb)
        restarts[0].join()
        self.assertLess(cut[0], BATCHES)
        self.assertLess(killed[0], BATCHES)
        self.assertEqual((totals.rejected_rows, totals.rejected_readings), (0, 0))
        check_production(self.server, BATCHES * ROWS)
        again = self.push("line-3", "production", batches)
        self.assertEqual((again.rows, again.repeated_batches), (0, 1))
        self.server.end()
        self.server.start()
        check_production(self.server, BATCHES * ROWS)
        self.assertEqual(self.server.value("select count(*) from production where backfill"), BATCHES * ROWS)
        longer = self.push("line-3", "production", [*batches, *production(2, ROWS, BATCHES)])
        self.assertEqual(longer.rows, 2 * ROWS)
        check_production(self.server, (BATCHES + 2) * ROWS)

    def test_lines_are_taken_and_a_batch_that_is_refused_stores_nothing(self):
        good = (
            b"energy,device=m1 active_energy=1.5 1735689600000000000\nenergy,device=m2 active_energy=2.25 1735689600000000000\n"
        )
        totals = self.push("lines", "energy", [good], lane=Lane.LIVE)
        self.assertEqual((totals.rows, totals.readings), (2, 2))
        with self.assertRaises(Refused) as caught:
            self.push("lines", "energy", [good, b"energy,device=m1 colour=1 1\n"], lane=Lane.LIVE)
        refused = caught.exception
        self.assertEqual((refused.code, refused.number, refused.last_number), (RefusedCode.UNKNOWN_COLUMN, 2, 1))
        self.assertIn("colour", str(refused))
        self.assertEqual(self.server.value("select sum(active_energy) from energy"), 3.75)

    def test_rejected_readings_are_counted_with_their_reasons(self):
        lines = b"energy,device=m1 active_energy=1 1735689600000000000\nenergy active_energy=2 1735689600000000000\n"
        totals = self.push("lines", "energy", [lines])
        self.assertEqual((totals.rows, totals.rejected_rows), (1, 1))
        self.assertIn("bad_device", [rejection.reason for rejection in totals.rejections])

    def test_a_wrong_token_an_unknown_table_and_another_sequence_are_refused_by_name(self):
        batches = list(production(2, ROWS))
        self.push("line-3", "production", batches)
        for token, table, code in (
            ("zl_wrong", "production", RefusedCode.TOKEN),
            (None, "nonsense", RefusedCode.UNKNOWN_TABLE),
        ):
            with self.assertRaises(Refused) as caught:
                self.push("line-3", table, batches, gateway=self.gateway(token))
            self.assertEqual(caught.exception.code, code)
        with self.assertRaisesRegex(StateLost, "more than the 1 given"):
            self.push("line-3", "production", batches[:1])
        other = [batches[0], *production(1, ROWS, 5)]
        with self.assertRaises(Refused) as caught:
            self.push("line-3", "production", other)
        self.assertEqual(caught.exception.code, RefusedCode.OTHER_CONTENT)
        check_production(self.server, 2 * ROWS)
        self.push("line-3", "production", list(production(2, ROWS, 2)), epoch=2)
        check_production(self.server, 4 * ROWS)

    def test_only_the_trusted_certificate_is_believed_and_under_any_name(self):
        stranger = self.enterContext(certificate_of_a_stranger())
        with self.assertRaisesRegex(NotTrusted, "neither in"):
            self.push("p", "production", production(1, 4), gateway=self.gateway(certificate=stranger))
        with self.assertRaisesRegex(NotTrusted, "not trusted"):
            self.push("p", "production", production(1, 4), gateway=self.gateway(certificate=None))
        with self.assertRaisesRegex(NotTrusted, "cannot be read"):
            self.push("p", "production", production(1, 4), gateway=self.gateway(certificate="/nonexistent.pem"))
        self.assertEqual(self.server.value("select count(*) from production"), 0)
        # The certificate is for localhost; it is the one in the file, so an address is good enough.
        by_address = aio.Gateway(f"127.0.0.1:{self.server.quic}", self.token, self.certificate)
        self.assertEqual(self.push("p", "production", list(production(1, 4)), gateway=by_address).rows, 4)

    def test_it_gives_up_where_nothing_answers_and_says_what_it_dialled(self):
        self.server.kill()
        with self.assertRaisesRegex(LinkError, rf"gave up after .* no answer from {self.address}"):
            self.push("p", "production", list(production(1, 4)), give_up_after=0.1)
        with self.assertRaisesRegex(ValueError, "not host:port"):
            self.push("p", "production", [], gateway=aio.Gateway("localhost", self.token))

    def test_a_call_that_waits_works_where_a_loop_runs_as_in_a_notebook(self):
        async def cell():
            return zonelake.Gateway(self.address, self.token, self.certificate).push(
                "notebook", "production", list(production(3, ROWS))
            )

        self.assertEqual(asyncio.run(cell()).rows, 3 * ROWS)
        check_production(self.server, 3 * ROWS)


def certificate_of_a_stranger():
    """The certificate of another server, as a context."""
    import contextlib
    import tempfile
    from datetime import datetime, timedelta, timezone
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    @contextlib.contextmanager
    def made():
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        certificate = builder.add_extension(names, False).sign(key, hashes.SHA256())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stranger.pem"
            path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
            yield path

    return made()


if __name__ == "__main__":
    unittest.main()
