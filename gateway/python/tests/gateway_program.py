"""A gateway for the tests to kill: it takes batch after batch and says each that it has taken."""

import json
import sys
import time

from cases import production

from zonelake import Forwarder, ForwardOptions

ROWS = 50


def main():
    address, token, certificate, folder = sys.argv[1:]
    options = ForwardOptions(segment_bytes=20_000, live_bytes_max=100_000)
    with Forwarder(
        address, token, certificate, producer="line-3", table="production", folder=folder, options=options
    ) as forwarder:
        while True:
            status = forwarder.status()
            # The number of the next batch follows from what is on disk, so a batch of which nobody heard is not made again.
            taken = status.live.taken + status.backfill.taken
            forwarder.send(next(production(1, ROWS, taken)))
            print(json.dumps({"taken": taken + 1}), flush=True)
            time.sleep(0.005)


if __name__ == "__main__":
    main()
