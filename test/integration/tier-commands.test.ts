import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import { consecutiveSegments, fakeSegmentSource } from "../support/segments.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPOLOGY = `version: 1
name: tiered
regions:
  hub: { local: { brokers: 1 } }
tiering:
  - { region: hub, topics: "*", store: "file://cold" }
`;

test("tier commands list, check and clean an archive of which no region runs", async () => {
  const root = mkdtempSync(join(tmpdir(), "tier-commands-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  const file = join(root, "tiered.yaml");
  writeFileSync(file, TOPOLOGY);
  const cold = join(root, "state", "tiered", "cold");
  mkdirSync(cold, { recursive: true });
  const source = fakeSegmentSource(consecutiveSegments(3, { batchesPerSegment: 10, maxTimestampMs: 0 }));
  const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
  const store = await openFsStore(cold);
  await offloadOnce(policy, () => true, { source, store, clock: nodeClock(), random: nodeRandom() });
  const run = (...args: readonly string[]) => {
    const options = ["-t", file, "--state", join(root, "state"), "-o", "json"];
    const { status, stdout } = spawnSync(process.execPath, [MAIN, ...options, "tier", ...args], { encoding: "utf8" });
    return { status, json: JSON.parse(stdout) };
  };
  const [row] = run("ls").json.partitions;
  assert.deepEqual(
    [row.topic, row.partition, row.segments, row.records, row.next_offset],
    ["flights", 3, 3, 150, "150"],
  );
  assert.deepEqual([row.topic_id.length, typeof row.cluster_id, row.newest_timestamp_ms], [22, "string", 0]);
  assert.deepEqual(run("verify").status, 0);
  const limited = run("verify", "--limit", "1KiB", "--budget", "100MiB/s").json;
  assert.deepEqual([limited.segments_read, limited.round_over], [1, false]);
  const [exported] = run("export", "--topic", "flights", "--to", join(root, "out")).json.partitions;
  assert.deepEqual([exported.directory, exported.segments], [join(root, "out", "flights-3"), 3]);
  const where = readdirSync(cold, { recursive: true, encoding: "utf8" });
  const log = where.find((name) => name.endsWith(".log"));
  assert.ok(log !== undefined);
  await store.put(log, Buffer.from("not what it was"));
  await store.put(log.replace(/[^/]+$/, "00000000000000000077-9-cafe.log"), Buffer.from("left over"));
  const verified = run("verify");
  assert.deepEqual([verified.status, verified.json.findings[0].kind], [2, "wrong-size"]);
  const repaired = run("repair", "--dry-run");
  assert.deepEqual([repaired.status, repaired.json.partitions[0].lost.length], [2, 1]);
  writeFileSync(join(cold, `${log}.0123456789ab.partial`), "half");
  const young = run("gc", "--dry-run").json;
  assert.deepEqual([young.waiting, young.unfinished.waiting, young.unfinished.removed], [1, 1, []]);
  const begun = run("gc", "--grace", "0s", "--dry-run").json.unfinished;
  assert.deepEqual(begun, { removed: [`${store.location} ${log}`], bytes: 4, waiting: 0, untold: [] });
  assert.equal((await store.unfinished()).length, 1);
  assert.equal(run("gc", "--grace", "0s").json.removed.length, 1);
  assert.deepEqual(await store.unfinished(), []);
  assert.deepEqual(run("rm", "flights").json.dry_run, true);
  assert.equal(run("ls").json.partitions[0].segments, 3);
  assert.equal(run("rm", "flights", "--yes").json.partitions[0].segments, 3);
  run("gc", "--grace", "0s");
  assert.deepEqual(run("ls").json.partitions, []);
  assert.equal(run("rm", "flights").status, 1);
});

test("tier commands tell a place where nothing is archived from an archive that is whole, and make nothing there", async () => {
  const root = mkdtempSync(join(tmpdir(), "tier-places-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  const file = join(root, "tiered.yaml");
  writeFileSync(file, TOPOLOGY);
  const run = (...args: readonly string[]) => {
    const options = ["-t", file, "--state", join(root, "state"), "tier", ...args];
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...options], { encoding: "utf8", cwd: root });
    assert.ok(stderr.split("\n").length <= 3, stderr);
    return { status, stderr };
  };
  for (const verb of ["ls", "verify", "export --to out", "parquet --to out"]) {
    const { status, stderr } = run(...verb.split(" "));
    assert.deepEqual([status, stderr.includes("there is no such directory")], [1, true], `${verb}: ${stderr}`);
  }
  assert.deepEqual(readdirSync(root), ["tiered.yaml"]);
  for (const verb of ["ls", "verify", "gc", "rm flights", "parquet", "repair", "explain flights 0 1"])
    assert.equal(run(...verb.split(" "), "--region", "hubb").status, 64, verb);
  const store = await openFsStore(join(root, "elsewhere"));
  const named = ["--store", "file://elsewhere"] as const;
  assert.deepEqual([run("ls", ...named).status, run("verify", ...named).status], [0, 2]);
  assert.deepEqual([run("export", "--to", "out", ...named).status, run("gc", ...named).status], [1, 0]);
  const source = fakeSegmentSource(consecutiveSegments(1, { batchesPerSegment: 10, maxTimestampMs: 0 }));
  const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
  await offloadOnce(policy, () => true, { source, store, clock: nodeClock(), random: nodeRandom() });
  // Without any topology.
  rmSync(file);
  assert.equal(run("verify", ...named).status, 0);
  assert.equal(run("export", "--to", "out", ...named).status, 0);
  assert.deepEqual(readdirSync(join(root, "out")), ["flights-3"]);
  // A manifest that is lost, long after it was written.
  const [log, manifest] = [/\.log$/, /\.json$/].map((what) =>
    store.list("").then((keys) => keys.find((key) => what.test(key)) ?? ""),
  );
  await store.remove((await manifest) ?? "");
  const longAgo = new Date(Date.now() - 2 * 3_600_000);
  utimesSync(join(root, "elsewhere", (await log) ?? ""), longAgo, longAgo);
  assert.equal(run("verify", ...named).status, 2);
  const told = run("export", "--to", "out", ...named);
  assert.match(told.stderr, /flights-3 is not whole: no manifest is left, and 1 segment behind that without a name/);
  for (const verb of ["export --to out -p 7", "export --to out --topic flight", "parquet --to out --topic flight"])
    assert.equal(run(...verb.split(" "), ...named).status, 1, verb);
  assert.equal(run("ls", "--endpoint", "http://127.0.0.1:9").status, 64);
  assert.equal(run("ls", "--region", "hub", ...named).status, 64);
});

test("tier commands go on with the other partitions when the manifest of one is damaged, and end with its failure", async () => {
  const root = mkdtempSync(join(tmpdir(), "tier-damaged-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  const store = await openFsStore(join(root, "cold"));
  const source = fakeSegmentSource(consecutiveSegments(1, { batchesPerSegment: 10, maxTimestampMs: 0 }));
  const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
  await offloadOnce(policy, () => true, { source, store, clock: nodeClock(), random: nodeRandom() });
  for (const key of await store.list("")) {
    // Partition 1 comes first and is not readable.
    const damaged = key.replace("/3/", "/1/");
    await store.put(damaged, key.includes("/manifest/") ? Buffer.from("{") : await store.get(key));
  }
  const run = (...args: readonly string[]) => {
    const options = ["-o", "json", "tier", ...args, "--store", "file://cold"];
    const { status, stdout } = spawnSync(process.execPath, [MAIN, ...options], { encoding: "utf8", cwd: root });
    return { status, json: JSON.parse(stdout) };
  };
  const listed = run("ls");
  assert.deepEqual([listed.status, listed.json.partitions.length, listed.json.damaged.length], [2, 1, 1]);
  const converted = run("parquet", "--to", "parquet");
  // Partition 3 is tried, though what these segments hold are no records.
  const failed = converted.json.failures.map((each: { partition: number; base_offset: string | null }) => [
    each.partition,
    each.base_offset,
  ]);
  assert.deepEqual(
    [converted.status, failed],
    [
      1,
      [
        [1, null],
        [3, "0"],
      ],
    ],
  );
  const exported = run("export", "--to", "out");
  assert.deepEqual([exported.status, exported.json.partitions?.length, exported.json.failures?.length], [1, 1, 1]);
  assert.deepEqual(readdirSync(join(root, "out")), ["flights-3"]);
});
