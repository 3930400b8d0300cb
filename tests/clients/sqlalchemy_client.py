"""SQLAlchemy: reflection of all tables with their comments, then queries over what it has reflected."""

import sqlalchemy

from psycopg_client import at
from rows import COLUMNS, EDGE_QUERY, MILLION, QUERY, same, same_edges, whole_million


def check(server):
    url = sqlalchemy.URL.create(
        "postgresql+psycopg", "admin", server.password, "127.0.0.1", server.postgres, "zonelake"
    )
    engine = sqlalchemy.create_engine(url)
    inspector = sqlalchemy.inspect(engine)
    assert {"public", "system"} <= set(inspector.get_schema_names()), inspector.get_schema_names()
    tables = inspector.get_table_names()
    assert "probe" in tables and "environment" in tables, tables
    assert inspector.get_table_names(schema="system") == ["compactions", "devices", "files", "queries", "tables"]
    views = inspector.get_view_names()
    assert "air_checks" in views and not set(views) & set(tables), views
    assert "select" in inspector.get_view_definition("air_checks").lower()
    assert inspector.get_columns("air_checks")
    columns = {column["name"]: column for column in inspector.get_columns("probe")}
    assert isinstance(columns["level"]["type"], sqlalchemy.DOUBLE_PRECISION), columns["level"]
    assert isinstance(columns["pulses"]["type"], sqlalchemy.BIGINT), columns["pulses"]
    assert columns["time"]["type"].timezone and not columns["time"]["nullable"], columns["time"]
    assert columns["level"]["comment"] == "Height of the water [m]", columns["level"]
    assert inspector.get_table_comment("probe") == {"text": "A field of every kind."}
    for empty in (inspector.get_indexes, inspector.get_foreign_keys, inspector.get_unique_constraints):
        assert empty("probe") == [], empty
    assert inspector.get_pk_constraint("probe")["constrained_columns"] == []
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    probe = metadata.tables["probe"]
    with engine.connect() as connection:
        same(connection.execute(sqlalchemy.text(QUERY)).fetchall())
        wanted = sqlalchemy.select(*(probe.c[name] for name in COLUMNS)).order_by(probe.c.time)
        same(connection.execute(wanted).fetchall())
        late = sqlalchemy.select(sqlalchemy.func.count()).select_from(probe).where(probe.c.time >= at(2))
        assert connection.execute(late).scalar() == 3
        by_device = sqlalchemy.select(probe.c.device, sqlalchemy.func.max(probe.c.level).label("top"))
        by_device = by_device.where(probe.c.device.in_(["d0", "d1"])).group_by(probe.c.device).order_by(probe.c.device)
        assert connection.execute(by_device).fetchall() == [("d0", 0.1), ("d1", 5e-324)]
        streamed = connection.execution_options(yield_per=2).execute(wanted)
        same(streamed)
        same_edges(connection.execute(sqlalchemy.text(EDGE_QUERY)).one())
        assert connection.execute(wanted.where(probe.c.pulses == 7)).all() == []
        many = connection.execution_options(yield_per=50_000).execute(sqlalchemy.text(MILLION)).all()
        whole_million(len(many), many[0], many[-1])
    engine.dispose()
