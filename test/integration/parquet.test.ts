/** Parquet files of an archive hold exactly the committed records, as readers that nobody here wrote see them. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parquetReadObjects } from "hyparquet";
import { embeddedSegments } from "../../src/adapters/embedded-segments.ts";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { markerBatch } from "../../src/broker/log/txn-marker.ts";
import type { Uuid } from "../../src/core/brand.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import type { RecordInput } from "../../src/wire/records.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { batchOf, HandClock, NOW_MS, openLog } from "../unit/broker/log/log-fixture.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPOLOGY = `version: 1
name: tiered
regions:
  hub: { local: { brokers: 1 } }
tiering:
  - { region: hub, topics: "*", store: "file://cold" }
`;
const PYTHON = [join(import.meta.dirname, "../peers/python/bin/python3"), "python3"].find(
  (python) => spawnSync(python, ["-c", "import duckdb, pyarrow"]).status === 0,
);
const missing = PYTHON === undefined && process.env["CI"] !== "true";
const skip = missing ? "python3 has no duckdb and pyarrow (pip install duckdb pyarrow)" : false;

/** What a consumer with read_committed sees. */
interface Seen {
  readonly offset: bigint;
  readonly id: bigint;
}

function order(id: bigint): RecordInput {
  const value = `{"id":${id},"price":{"amount":${id}.25},"paid":${id % 2n === 0n},"note":"é ${id}"}`;
  const headers = [
    { key: "trace", value: Buffer.from([Number(id % 256n), 255]) },
    { key: "trace", value: null },
  ];
  const timestampMs = BigInt(NOW_MS) + (id % 1_000n);
  return { timestampMs, key: id % 3n === 0n ? null : Buffer.from(`k${id}`), value: Buffer.from(value), headers };
}

/** Beyond what a double can tell apart. */
const FIRST_ID = 9_007_199_254_740_993n;

/** Transactions over several segments, every second one aborted, and plain records between them. */
async function archiveOrders(root: string): Promise<readonly Seen[]> {
  const clock = new HandClock();
  await using log = openLog(new MemoryStorage(), clock, { segmentBytes: 8_000, indexIntervalBytes: 500 });
  const seen: Seen[] = [];
  let [id, sequence] = [FIRST_ID, 0];
  const append = (isSeen: boolean, writer: object): void => {
    const ids = [id++, id++, id++];
    const { baseOffset } = log.append(batchOf({ records: ids.map(order), ...writer }), { leaderEpoch: 0 });
    if (isSeen) for (const [at, each] of ids.entries()) seen.push({ offset: baseOffset + BigInt(at), id: each });
  };
  for (let turn = 0; turn < 6; turn++) {
    const writer = { producerId: 9n, producerEpoch: turn, isTransactional: true };
    const committed = turn % 2 === 0;
    for (let batch = 0; batch < 30; batch++) {
      append(committed, { ...writer, baseSequence: batch * 3 });
      append(true, { producerId: 7n, producerEpoch: 0, baseSequence: sequence });
      sequence += 3;
    }
    const marker = { producerId: 9n, producerEpoch: turn, committed, coordinatorEpoch: 1 };
    log.append(markerBatch(marker, { nowMs: NOW_MS, isAppendTime: false }), { leaderEpoch: 0 });
  }
  log.roll();
  clock.ms += 60_000;
  const cold = join(root, "state", "tiered", "cold");
  mkdirSync(cold, { recursive: true });
  const partitions = [{ index: 0, settings: { compacts: false }, lastStableOffset: log.endOffset, log }];
  const topics = [{ name: "orders", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid, partitions }];
  const { segmentsOffloaded } = await offloadOnce(
    { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" },
    () => true,
    {
      source: embeddedSegments({ clusterId: "c", topics: () => topics }),
      store: await openFsStore(cold),
      clock,
      random: seededRandom(1),
    },
  );
  assert.ok(segmentsOffloaded > 5);
  return seen.sort((a, b) => Number(a.offset - b.offset));
}

async function openWorld() {
  const root = mkdtempSync(join(tmpdir(), "parquet-"));
  writeFileSync(join(root, "tiered.yaml"), TOPOLOGY);
  const seen = await archiveOrders(root);
  const run = (...args: readonly string[]) => {
    const options = ["-t", join(root, "tiered.yaml"), "--state", join(root, "state"), "-o", "json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...options, "tier", "parquet", ...args], {
      encoding: "utf8",
    });
    return { status, stderr, json: stdout === "" ? undefined : JSON.parse(stdout) };
  };
  const files = () =>
    readdirSync(join(root, "out"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".parquet"))
      .sort();
  return { root, seen, run, files, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
}

const COLUMNS = ["--json-columns", "id:int64,price.amount:double,paid:boolean,note"];

test("tier parquet writes each committed record once, in its types, and nothing twice", async () => {
  using world = await openWorld();
  const out = join(world.root, "out");
  const first = world.run("--to", out, ...COLUMNS);
  assert.deepEqual([first.status, first.json?.records, first.json?.waiting], [0, world.seen.length, 0], first.stderr);
  const again = world.run("--to", out, ...COLUMNS);
  assert.deepEqual([again.json?.files, again.json?.there], [0, first.json?.files]);
  assert.equal(
    readdirSync(out).some((name) => name.startsWith(".")),
    false,
  );
  const rows: Record<string, unknown>[] = [];
  for (const name of world.files()) {
    assert.match(name, /^topic=orders\/date=2023-11-14\/A{21}Q-0-\d+-\d+-[0-9a-f]{12}\.parquet$/);
    const { buffer, byteOffset, byteLength } = readFileSync(join(out, name));
    const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    rows.push(...(await parquetReadObjects({ file, utf8: false })));
  }
  rows.sort((a, b) => Number((a["offset"] as bigint) - (b["offset"] as bigint)));
  assert.deepEqual(
    rows.map((row) => ({ offset: row["offset"], id: row["id"] })),
    world.seen,
  );
  const [row] = rows;
  const id = FIRST_ID;
  assert.deepEqual(
    [row?.["partition"], row?.["price.amount"], row?.["paid"], row?.["note"]],
    [0, Number(`${id}.25`), id % 2n === 0n, `é ${id}`],
  );
  assert.deepEqual(row?.["timestamp"], new Date(NOW_MS + Number(id % 1_000n)));
  assert.deepEqual(row?.["headers"], [
    { key: "trace", value: new Uint8Array([Number(id % 256n), 255]) },
    { key: "trace", value: null },
  ]);
});

test("DuckDB and pyarrow read the files with equal counts and sums", { skip }, async () => {
  using world = await openWorld();
  const out = join(world.root, "out");
  assert.equal(world.run("--to", out, "--text", ...COLUMNS).status, 0);
  const script = `
import duckdb, json, pyarrow.dataset, sys
glob = sys.argv[1] + "/**/*.parquet"
row = duckdb.sql(f"""select count(*), sum("offset"), sum(id), sum(case when key is null then 1 else 0 end), sum(length(value)),
  count(distinct topic), sum(len(headers)), min(timestamp)::text, typeof(any_value(headers)) from '{glob}'""").fetchall()[0]
frame = pyarrow.dataset.dataset(sys.argv[1], partitioning="hive").to_table()
print(json.dumps([[str(cell) for cell in row], frame.num_rows, str(sum(frame["id"].to_pylist())), sorted(set(frame["topic"].to_pylist()))]))
`;
  const output = execFileSync(PYTHON ?? "python3", ["-c", script, out], { encoding: "utf8" });
  const [duck, pyarrowRows, pyarrowSum, topics] = JSON.parse(output);
  const { seen } = world;
  const sum = (values: readonly bigint[]): string => String(values.reduce((a, b) => a + b, 0n));
  const ids = sum(seen.map(({ id }) => id));
  const texts = seen.map(({ id }) => String(order(id).value));
  assert.deepEqual(duck.slice(0, 7), [
    String(seen.length),
    sum(seen.map(({ offset }) => offset)),
    ids,
    String(seen.filter(({ id }) => id % 3n === 0n).length),
    String(texts.reduce((length, text) => length + text.length, 0)),
    "1",
    String(2 * seen.length),
  ]);
  assert.match(duck[8], /STRUCT\("?key"? VARCHAR, "?value"? BLOB\)\[\]/);
  assert.deepEqual([pyarrowRows, pyarrowSum, topics], [seen.length, ids, ["orders"]]);
});

test("tier parquet refuses columns that cannot be, and bytes that are no text", async () => {
  using world = await openWorld();
  const refused = world.run("--to", join(world.root, "out"), "--json-columns", "id:decimal");
  assert.equal(refused.status, 64);
});
