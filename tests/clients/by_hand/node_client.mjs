// node-postgres, postgres.js, Sequelize and TypeORM against a running server: node node_client.mjs PORT PASSWORD
import assert from "node:assert/strict";
import "reflect-metadata";
import pg from "pg";
import postgres from "postgres";
import { DataTypes, Op, QueryTypes, Sequelize } from "sequelize";
import { DataSource, EntitySchema, In } from "typeorm";

const [port, password] = [Number(process.argv[2]), process.argv[3]];
const host = "127.0.0.1";
const START = Date.UTC(2026, 0, 1);

async function nodePostgres() {
  const client = new pg.Client({ host, port, user: "admin", password, database: "zonelake" });
  await client.connect();
  const all = await client.query("SELECT device, time, level, pulses, is_open, note FROM probe ORDER BY time");
  assert.equal(all.rows.length, 5);
  assert.deepEqual(all.rows[0].time, new Date(START));
  assert.equal(all.rows[0].pulses, "9223372036854775807");
  assert.equal(all.rows[0].note, "tiếng Việt");
  const some = await client.query("SELECT device FROM probe WHERE device = ANY($1) AND time >= $2 ORDER BY time", [["d1"], new Date(START)]);
  assert.deepEqual(some.rows.map((row) => row.device), ["d1", "d1"]);
  // A number without a type beside an interval.
  const hours = await client.query("SELECT $1 * interval '1 hour' AS many", [3]);
  assert.equal(hours.rows[0].many.hours, 3);
  const named = { name: "by-device", text: "SELECT count(*)::int AS n FROM probe WHERE device = $1" };
  for (const [device, n] of [["d0", 2], ["d1", 2], ["none", 0]]) {
    assert.equal((await client.query({ ...named, values: [device] })).rows[0].n, n);
  }
  await assert.rejects(client.query("SELECT nothing FROM probe"), { code: "42703" });
  await client.end();
}

async function postgresJs() {
  const sql = postgres({ host, port, user: "admin", password, database: "zonelake", max: 1 });
  const rows = await sql`SELECT device, time FROM probe WHERE device IN ${sql(["d0", "d1"])} AND time >= ${new Date(START)} ORDER BY time`;
  assert.deepEqual(rows.map((row) => row.device), ["d0", "d0", "d1", "d1"]);
  const listed = await sql`SELECT device FROM probe WHERE device = ANY(${["d1"]}) ORDER BY time`;
  assert.equal(listed.length, 2);
  let counted = 0;
  for await (const batch of sql`SELECT value FROM generate_series(1, 5000) AS value`.cursor(500)) counted += batch.length;
  assert.equal(counted, 5000);
  await sql.begin("read only", async (inner) => assert.equal((await inner`SELECT 1::int AS one`)[0].one, 1));
  await assert.rejects(sql`SELECT nothing FROM probe`, { code: "42703" });
  await sql.end();
}

async function sequelize() {
  const database = new Sequelize("zonelake", "admin", password, {
    host, port, dialect: "postgres", timezone: "Asia/Ho_Chi_Minh", logging: false,
  });
  await database.authenticate();
  const Probe = database.define("probe", {
    time: { type: DataTypes.DATE, primaryKey: true },
    device: DataTypes.TEXT, level: DataTypes.DOUBLE, pulses: DataTypes.BIGINT, note: DataTypes.TEXT,
  }, { tableName: "probe", timestamps: false });
  const found = await Probe.findAndCountAll({
    where: { device: { [Op.in]: ["d0", "d1"] }, time: { [Op.gte]: new Date(START) } },
    order: [["time", "DESC"]], limit: 2, offset: 1,
  });
  assert.equal(found.count, 4);
  assert.deepEqual(found.rows.map((row) => row.time.getTime()), [START + 2000, START + 1000]);
  const grouped = await Probe.findAll({
    attributes: ["device", [database.fn("COUNT", database.col("time")), "n"]], group: ["device"], order: ["device"], raw: true,
  });
  assert.deepEqual(grouped.map((row) => [row.device, row.n]), [["d0", "2"], ["d1", "2"], ["trạm-2", "1"]]);
  const text = await database.query("SELECT min(time)::text AS first FROM probe", { type: QueryTypes.SELECT });
  assert.equal(text[0].first, "2026-01-01 07:00:00+07");
  const described = await database.getQueryInterface().describeTable("probe");
  assert.equal(described.level.type, "DOUBLE PRECISION");
  const tables = (await database.getQueryInterface().showAllTables()).map((table) => table.tableName ?? table);
  assert.ok(tables.includes("probe"), JSON.stringify(tables));
  await database.close();
}

async function typeorm() {
  const Probe = new EntitySchema({
    name: "Probe", tableName: "probe",
    columns: {
      time: { type: "timestamptz", primary: true }, device: { type: "text" }, level: { type: "double precision", nullable: true },
      note: { type: "text", nullable: true },
    },
  });
  const source = new DataSource({
    type: "postgres", host, port, username: "admin", password, database: "zonelake", entities: [Probe], synchronize: false,
    installExtensions: false,
  });
  await source.initialize();
  const probes = source.getRepository(Probe);
  const [rows, count] = await probes.findAndCount({ where: { device: In(["d0", "d1"]) }, order: { time: "ASC" }, take: 2, skip: 1 });
  assert.equal(count, 4);
  assert.deepEqual(rows.map((row) => row.time.getTime()), [START + 1000, START + 2000]);
  const top = await probes.createQueryBuilder("p").select("p.device", "device").addSelect("MAX(p.level)", "top")
    .where("p.time >= :from", { from: new Date(START) }).groupBy("p.device").orderBy("device").getRawMany();
  assert.deepEqual(top.map((row) => row.device), ["d0", "d1", "trạm-2"]);
  await source.destroy();
}

for (const client of [nodePostgres, postgresJs, sequelize, typeorm]) {
  try {
    await client();
  } catch (error) {
    console.error(`${client.name} failed:`, error);
    process.exitCode = 1;
  }
}
process.exit();
