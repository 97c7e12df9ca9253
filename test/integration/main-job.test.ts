/** The main job can fail: with a mirror that repeats, its checks name what was repeated; with ours they hold. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { openEmbeddedWorld } from "../../src/quickstart/embedded-world.ts";
import { flightsByRegion, loadFlights } from "../../src/quickstart/flights.ts";
import { runMainJob } from "../../src/quickstart/main-job.ts";
import { allHolds, anomalyLines } from "../../src/quickstart/report.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { loadTopology } from "../../src/runtime/topology-files.ts";

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
/** The job takes about 12 s; the limit only keeps a hang from holding up the suite. */
const timeout = 180_000;

/** One source and central, embedded, with a mirror that keeps to `delivery`. */
async function openWorld(delivery: "exactly-once" | "at-least-once") {
  const directory = mkdtempSync(join(tmpdir(), "main-job-"));
  mkdirSync(join(directory, "regions"));
  for (const region of ["us-west", "central"]) {
    writeFileSync(join(directory, "regions", `${region}.yaml`), "local: { brokers: 3 }\n");
  }
  const topologyFile = join(directory, "pair.yaml");
  const topics = 'topics: ["flights"], groups: { include: ["delays"], every: 1s }';
  const mirror = `{ name: m, from: us-west, to: central, ${topics}, rename: "{source}.{topic}", delivery: ${delivery} }`;
  const lines = ["version: 1", "name: pair", "regions: [us-west, central]", "mirrors:", `  - ${mirror}`];
  writeFileSync(topologyFile, `${lines.join("\n")}\n`);
  const topology = loadTopology(topologyFile);
  const stateRoot = join(directory, "state");
  const state = new StateDirectory({ root: stateRoot, topology: topology.name }, { storage: nodeStorage() });
  const parts = { topology, topologyFile, state, stateRoot, target: "central", attached: true } as const;
  const opened = await openEmbeddedWorld({ ...parts, logLevel: "warn", onReady: () => undefined });
  return {
    world: opened.world,
    async [Symbol.asyncDispose]() {
      await opened.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const flights = flightsByRegion(loadFlights()).get("us-west") ?? [];

test("main job's checks fail, and name the flights, when the mirror is not exactly-once", { timeout }, async () => {
  await using opened = await openWorld("at-least-once");
  const result = await runMainJob(opened.world, { flights });
  assert.ok(result.figures.duplicated > 0, "crashes without exactly-once left no duplicate");
  assert.equal(result.figures.lost, 0);
  assert.equal(allHolds(result, flights.length), false);
  const [line = ""] = anomalyLines(result.anomalies);
  assert.match(line, /^duplicated us-west\.flights-\d+@\d+ flight \d+: already at offset \d+$/);
});

test("the same job holds when the mirror is exactly-once", { timeout }, async () => {
  await using opened = await openWorld("exactly-once");
  const result = await runMainJob(opened.world, { flights });
  assert.deepEqual(anomalyLines(result.anomalies), []);
  assert.equal(allHolds(result, flights.length), true);
});

test("quickstart prints its figures as JSON in the documented order, and leaves nothing behind", {
  timeout,
}, async () => {
  const scratch = mkdtempSync(join(tmpdir(), "quickstart-test-"));
  const env = { ...process.env, TMPDIR: scratch };
  const { stdout } = await run(process.execPath, [MAIN, "-o", "json", "-q", "quickstart"], { env, cwd: scratch });
  const { elapsed_ms, offsets_checked, segments_offloaded, bytes_offloaded, cold_records_read, ...rest } =
    JSON.parse(stdout);
  assert.deepEqual(rest, {
    format_version: "1.0",
    produced: 20_000,
    mirrored: 20_000,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    mutated: 0,
    worker_kills: 3,
    broker_stops: 1,
    offsets_wrong: 0,
    groups_checked: 3,
    groups_wrong: 0,
  });
  for (const figure of [elapsed_ms, segments_offloaded, bytes_offloaded, cold_records_read]) assert.ok(figure > 0);
  assert.ok(offsets_checked > 40_000);
  // Node keeps compiled code there too, by its own rules.
  assert.deepEqual(
    readdirSync(scratch).filter((name) => name !== "node-compile-cache"),
    [],
  );
  rmSync(scratch, { recursive: true, force: true });
});
