"""The same without asyncio: calls that wait.

- `loop`: the thread on which asyncio runs behind such a call; hence they work in notebooks too, where a loop runs already
- `gateway`: sending a whole sequence
- `forwarder`: store and forward
"""
