import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** Reads the rows of the tests as Java programs do. */
public final class JdbcClient {
    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    public static void main(String[] arguments) throws SQLException {
        for (String mode : new String[] {"extended", "simple"}) {
            Properties properties = new Properties();
            properties.setProperty("user", "admin");
            properties.setProperty("password", arguments[1]);
            properties.setProperty("preferQueryMode", mode);
            // From the second use on a statement is prepared and its values come in the binary form.
            properties.setProperty("prepareThreshold", "2");
            String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/zonelake";
            try (Connection connection = DriverManager.getConnection(url, properties)) {
                metadata(connection.getMetaData());
                values(connection);
                edges(connection);
                prepared(connection);
                fetchSize(connection);
                errors(connection);
            }
        }
    }

    private static void metadata(DatabaseMetaData metadata) throws SQLException {
        check(metadata.getDatabaseProductName().equals("PostgreSQL"), metadata.getDatabaseProductName());
        check(metadata.getDatabaseMajorVersion() == 15, metadata.getDatabaseProductVersion());
        List<String> schemas = names(metadata.getSchemas(), "TABLE_SCHEM");
        check(schemas.contains("public") && schemas.contains("system"), schemas.toString());
        check(names(metadata.getCatalogs(), "TABLE_CAT").contains("zonelake"), "catalogs");
        List<String> tables = names(metadata.getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME");
        check(tables.contains("probe") && tables.contains("environment"), tables.toString());
        try (ResultSet columns = metadata.getColumns(null, "public", "probe", "level")) {
            check(columns.next(), "no column level");
            check(columns.getString("TYPE_NAME").equals("float8"), columns.getString("TYPE_NAME"));
            check(columns.getString("REMARKS").equals("Height of the water [m]"), columns.getString("REMARKS"));
            check(columns.getString("IS_NULLABLE").equals("YES"), columns.getString("IS_NULLABLE"));
        }
        check(names(metadata.getPrimaryKeys(null, "public", "probe"), "COLUMN_NAME").isEmpty(), "keys");
        check(names(metadata.getIndexInfo(null, "public", "probe", false, true), "INDEX_NAME").isEmpty(), "indexes");
        check(names(metadata.getImportedKeys(null, "public", "probe"), "FKCOLUMN_NAME").isEmpty(), "foreign keys");
        check(!names(metadata.getTypeInfo(), "TYPE_NAME").isEmpty(), "types");
    }

    private static List<String> names(ResultSet rows, String column) throws SQLException {
        List<String> names = new ArrayList<>();
        try (rows) {
            while (rows.next()) {
                names.add(rows.getString(column));
            }
        }
        return names;
    }

    private static void values(Connection connection) throws SQLException {
        String sql = "SELECT device, time, level, temperature, pulses, is_open, note, seen FROM probe ORDER BY time";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int round = 0; round < 5; round++) {
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next(), "no rows");
                    check(rows.getString("device").equals("d0"), rows.getString("device"));
                    OffsetDateTime time = rows.getObject("time", OffsetDateTime.class);
                    check(time.toEpochSecond() == 1_767_225_600L, time.toString());
                    check(rows.getDouble("level") == 0.1, "level " + rows.getDouble("level"));
                    check(rows.getDouble("temperature") == -40.25, "temperature " + rows.getDouble("temperature"));
                    check(rows.getLong("pulses") == Long.MAX_VALUE, "pulses " + rows.getLong("pulses"));
                    check(rows.getBoolean("is_open"), "is_open");
                    check(rows.getString("note").equals("tiếng Việt"), rows.getString("note"));
                    check(rows.next() && rows.getLong("pulses") == Long.MIN_VALUE, "second row");
                    check(rows.getDouble("level") == -Double.MAX_VALUE, "second level");
                    check(rows.getTimestamp("seen") == null && rows.wasNull(), "seen");
                    check(rows.next() && rows.getDouble("level") == Double.MIN_VALUE, "third level");
                    check(rows.next() && rows.getObject("pulses") == null && rows.next() && !rows.next(), "five rows");
                }
            }
        }
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT 'NaN'::float8, 'Infinity'::float8, 1.25::numeric(9,2)")) {
            check(rows.next() && Double.isNaN(rows.getDouble(1)), "NaN");
            check(rows.getDouble(2) == Double.POSITIVE_INFINITY, "infinity");
            check(rows.getBigDecimal(3).toPlainString().equals("1.25"), rows.getBigDecimal(3).toPlainString());
        }
    }

    private static void edges(Connection connection) throws SQLException {
        String sql = "SELECT 'NaN'::float8, '-Infinity'::float8, null::float8, null::text, null::timestamptz, '',"
                + " (-9223372036854775807 - 1)::bigint, date '0001-01-01', date '9999-12-31',"
                + " timestamp '0001-01-01 00:00:00', timestamp '9999-12-31 23:59:59.999999',"
                + " timestamptz '0001-01-01 00:00:00+00', timestamptz '9999-12-31 23:59:59.999999+00'";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int round = 0; round < 4; round++) {
                try (ResultSet row = statement.executeQuery()) {
                    check(row.next() && Double.isNaN(row.getDouble(1)), "NaN");
                    check(row.getDouble(2) == Double.NEGATIVE_INFINITY, "infinity");
                    for (int nothing = 3; nothing <= 5; nothing++) {
                        check(row.getObject(nothing) == null && row.wasNull(), "null in column " + nothing);
                    }
                    check(row.getString(6).isEmpty() && row.getLong(7) == Long.MIN_VALUE, "text and number");
                    check(row.getObject(8, LocalDate.class).equals(LocalDate.of(1, 1, 1)), row.getString(8));
                    check(row.getObject(9, LocalDate.class).equals(LocalDate.of(9999, 12, 31)), row.getString(9));
                    LocalDateTime last = LocalDateTime.of(9999, 12, 31, 23, 59, 59, 999_999_000);
                    check(row.getObject(10, LocalDateTime.class).equals(LocalDateTime.of(1, 1, 1, 0, 0)), row.getString(10));
                    check(row.getObject(11, LocalDateTime.class).equals(last), row.getString(11));
                    Instant first = LocalDateTime.of(1, 1, 1, 0, 0).toInstant(ZoneOffset.UTC);
                    check(row.getObject(12, OffsetDateTime.class).toInstant().equals(first), row.getString(12));
                    check(row.getObject(13, OffsetDateTime.class).toInstant().equals(last.toInstant(ZoneOffset.UTC)),
                            row.getString(13));
                }
            }
        }
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT time, level FROM probe WHERE false")) {
            check(rows.getMetaData().getColumnType(2) == Types.DOUBLE && !rows.next(), "an empty answer");
        }
    }

    private static void prepared(Connection connection) throws SQLException {
        String sql = "SELECT count(*) FROM probe WHERE time >= ? AND device = ? AND pulses > ?";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int round = 0; round < 4; round++) {
                statement.setTimestamp(1, new Timestamp(1_767_225_600_000L));
                statement.setString(2, "d0");
                statement.setLong(3, round);
                try (ResultSet rows = statement.executeQuery()) {
                    check(rows.next() && rows.getLong(1) == 1, "count of round " + round);
                }
            }
            check(statement.getParameterMetaData().getParameterCount() == 3, "parameters");
        }
    }

    private static void fetchSize(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(1_000);
            long sum = 0;
            try (ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 100000)")) {
                while (rows.next()) {
                    sum += rows.getLong(1);
                }
            }
            check(sum == 5_000_050_000L, "sum " + sum);
            statement.setFetchSize(20_000);
            long count = 0;
            String last = "";
            try (ResultSet rows = statement.executeQuery(
                    "SELECT value, value / 8.0 AS part, 'row ' || value AS name FROM generate_series(1, 1000000) ORDER BY 1")) {
                while (rows.next()) {
                    count++;
                    if (count % 250_000 == 0) {
                        check(rows.getLong(1) == count && rows.getDouble(2) == count / 8.0, "row " + count);
                        last = rows.getString(3);
                    }
                }
            }
            check(count == 1_000_000 && last.equals("row 1000000"), count + " rows, the last " + last);
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    private static void errors(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeQuery("SELECT * FROM nowhere");
            throw new AssertionError("there is no such table");
        } catch (SQLException error) {
            check(error.getSQLState().equals("42P01"), error.getSQLState());
        }
        check(connection.isValid(5), "the connection goes on");
    }
}
