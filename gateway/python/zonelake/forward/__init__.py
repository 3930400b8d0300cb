"""Store and forward: batches are on disk when `send` returns. They go to the server as soon as there is a link, each once,
through outages of weeks and through crashes of either side.

A batch goes on the live lane as long as that lane keeps up: the bytes waiting on it are below `live_bytes_max` and its
oldest batch is younger than `live_seconds_max`. While the link is down or too slow, further batches go on the back-fill
lane, so that new ones are sent at once when the link comes back, while a month of back-fill drains beside them. A batch
keeps the lane and the number that it got, which makes sending it again harmless.

What is refused for its content: a table, field or type that the server does not have (yet), or a token that it does not
know, is waited for, with an error in the log at each try: a declaration mends it and nothing is lost. A batch that the
server can never take (not valid, or over a limit) is put aside in the folder `refused`, and its number is sent without
rows.

- `options`: place and size of the spool, choice of the lane, and the status of it all
- `store`: the part on disk, which takes batches
- `sending`: the part that sends both lanes
- `forwarder`: the handle for asyncio; `zonelake.plain` has the one without
"""
