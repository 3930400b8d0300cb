"""psql's commands behind a backslash that ask the server something, each as psql 15 has it: none may end in an error."""

import os
import subprocess

# Without a pattern, with `S` for what belongs to the system, with `+` for more columns, and with a name.
COMMANDS = r"""
\d \d+ \dS \dS+
\da \daS \daS+
\dA \dA+ \dAc \dAc+ \dAf \dAf+ \dAo \dAo+ \dAp \dAp+
\db \db+
\dc \dcS \dcS+
\dconfig \dconfig+ \dC \dC+
\dd \ddS
\dD \dDS \dDS+
\ddp
\dE \dES \dE+ \des \des+ \det \det+ \deu \deu+ \dew \dew+
\df \df+ \dfS \dfa \dfn \dfp \dft \dfw
\dF \dF+ \dFd \dFd+ \dFp \dFp+ \dFt \dFt+
\dg \dg+ \dgS
\di \diS \di+
\dl \dl+ \dL \dL+ \dLS \dLS+
\dm \dmS \dm+
\dn \dn+ \dnS \dnS+
\do \doS \dO \dOS \dOS+
\dp \dpS
\dP \dP+ \dPn \dPt \dPi+
\drds
\dRp \dRp+ \dRs \dRs+
\ds \dsS \ds+
\dt \dtS \dt+ \dtS+
\dT \dTS \dT+ \dTS+
\du \du+ \duS
\dv \dvS \dv+
\dx \dx+ \dX \dy \dy+
\l \l+ \z
\encoding \conninfo \lo_list
"""
WITH_NAMES = [
    r"\d probe",
    r"\d+ probe",
    r"\d system.queries",
    r"\d public.*",
    r"\d pg_class",
    r"\d+ pg_catalog.pg_tables",
    r"\dt probe",
    r"\dt+ public.pro*",
    r"\dt *.*",
    r"\dp probe",
    r"\df+ abs",
    r"\dfS now",
    r"\do+ ||",
    r"\dT+ float8",
    r"\dn+ public",
    r"\du+ admin",
    r"\drds admin",
    r"\dC+ integer",
    r"\dconfig+ time*",
    r"\l+ zonelake",
    r"\z probe",
    r"\sf pg_catalog.now",
]


def run(server, commands):
    """What psql prints for these commands, errors by command."""
    arguments = ["psql", "-X", "-q", "-A", "-h", "127.0.0.1", "-p", str(server.postgres), "-U", "admin", "-d", "zonelake"]
    told, errors = {}, {}
    # One psql for all: each command is announced by its number in both streams.
    script = "".join(f"\\echo === {at}\n\\warn === {at}\n{command}\n" for at, command in enumerate(commands))
    environment = {**os.environ, "PGPASSWORD": server.password, "PAGER": ""}
    done = subprocess.run(arguments, input=script, capture_output=True, text=True, env=environment, timeout=240)
    for stream, parts in ((done.stdout, told), (done.stderr, errors)):
        for part in stream.split("=== ")[1:]:
            at, _, rest = part.partition("\n")
            parts[commands[int(at)]] = rest.strip()
    assert list(told) == list(commands), (len(told), done.stderr[-2000:])
    return told, {command: error for command, error in errors.items() if error}


def check(server):
    commands = [*COMMANDS.split(), *WITH_NAMES]
    told, errors = run(server, commands)
    # psql itself says so where nothing is found by a pattern.
    none_found = "Did not find any"
    errors = {command: error for command, error in errors.items() if none_found not in error}
    assert not errors, "\n".join(f"{command}: {error}" for command, error in errors.items())
    # What there is none of is told as none.
    for command in (r"\dd", r"\ddp", r"\deu", r"\dL", r"\dRp", r"\dx", r"\dAo+"):
        assert told[command].endswith("(0 rows)"), (command, told[command])
    assert "public|probe|table|admin" in told[r"\dt"].splitlines(), told[r"\dt"]
    probe = [line.split("|") for line in told[r"\dt+ public.pro*"].splitlines() if "|probe|" in line]
    # In files by now, or in memory still: a size, and the comment.
    assert probe and probe[0][-1] == "A field of every kind." and probe[0][-2].endswith(("bytes", "kB")), probe
    assert "public|probe|table|||" in told[r"\dp"].splitlines(), told[r"\dp"]
    assert any(line.startswith("relname|") for line in told[r"\d pg_class"].splitlines()), told[r"\d pg_class"]
