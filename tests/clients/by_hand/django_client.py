"""Django: a model over a table that it does not manage, with a zone of the database, its lookups, days and aggregates; inspectdb."""

import io
from datetime import date

from rows import at


def check(server):
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": "127.0.0.1",
                "PORT": server.postgres,
                "NAME": "zonelake",
                "USER": "admin",
                "PASSWORD": server.password,
                "TIME_ZONE": "Asia/Ho_Chi_Minh",
            }
        },
        USE_TZ=True,
        TIME_ZONE="Asia/Ho_Chi_Minh",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=[],
    )
    django.setup()
    from django.core.management import call_command
    from django.db import connection, models
    from django.db.models import Avg, Count, F, Max, Q
    from django.db.models.functions import TruncDay, TruncHour

    class Probe(models.Model):
        time = models.DateTimeField(primary_key=True)
        device = models.TextField()
        level = models.FloatField(null=True)
        pulses = models.BigIntegerField(null=True)
        is_open = models.BooleanField(null=True)
        note = models.TextField(null=True)

        class Meta:
            managed = False
            db_table = "probe"
            app_label = "probes"

    probes = Probe.objects.order_by("time")
    assert [row.time for row in probes] == [at(second) for second in range(5)]
    assert probes.filter(device__in=["d0", "d1"], time__gte=at(1)).count() == 3
    assert probes.filter(Q(note__icontains="TIẾNG") | Q(is_open=False)).count() == 2
    assert probes.filter(note__startswith="tiếng").exists() and not probes.filter(device="nothing").exists()
    # Days are those of the zone: midnight in UTC is seven in the morning there.
    days = probes.annotate(day=TruncDay("time")).values("day").annotate(n=Count("*"), top=Max("pulses")).order_by("day")
    assert [(row["day"].isoformat(), row["n"]) for row in days] == [("2026-01-01T00:00:00+07:00", 5)], list(days)
    hours = probes.annotate(hour=TruncHour("time")).values_list("hour", flat=True).distinct()
    assert [hour.isoformat() for hour in hours.order_by("hour")] == ["2026-01-01T07:00:00+07:00"]
    assert probes.filter(time__date=date(2026, 1, 1)).count() == 5 and probes.filter(time__hour=7).count() == 5
    assert probes.filter(pulses__gte=F("pulses")).aggregate(mean=Avg("level"))["mean"] is not None
    assert list(probes.values_list("device", flat=True)[1:3]) == ["d0", "d1"]
    told = io.StringIO()
    call_command("inspectdb", "probe", stdout=told)
    assert "class Probe(models.Model):" in told.getvalue() and "level = models.FloatField(" in told.getvalue(), told.getvalue()
    with connection.cursor() as cursor:
        tables = {table.name for table in connection.introspection.get_table_list(cursor)}
        assert "probe" in tables, tables
    connection.close()
