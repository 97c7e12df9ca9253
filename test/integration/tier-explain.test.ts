/** `tier explain` answers with the region up, and from the bucket alone. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { silentLogger } from "../../src/core/logger.ts";
import { control } from "../../src/runtime/control-client.ts";
import { RegionProcess } from "../../src/runtime/region-process.ts";
import { regionNamed, regionSpec } from "../../src/runtime/region-spec.ts";
import { loadTopology } from "../../src/runtime/topology-files.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPOLOGY = `version: 1
name: tiered
regions:
  hub: { local: { brokers: 1, topicDefaults: { segment.bytes: 16384 } } }
tiering:
  - { region: hub, topics: { include: ["orders*"], exclude: [orders-private] }, store: "file://cold", every: 1h, deleteLocal: after-verify }
`;
const run = promisify(execFile);

test("tier explain tells what holds a record, or what it waits for, with the region up and down", async () => {
  const root = mkdtempSync(join(tmpdir(), "tier-explain-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  const [file, stateRoot] = [join(root, "tiered.yaml"), join(root, "state")];
  writeFileSync(file, TOPOLOGY);
  const topology = loadTopology(file);
  const options = { stateRoot, attached: false, logLevel: "silent" } as const;
  await using region = await RegionProcess.open(regionSpec(topology, regionNamed(topology, "hub"), options), {
    logger: silentLogger,
    onShutdown: () => {},
  });
  const tributary = async (args: readonly string[], input = "") => {
    const running = run(process.execPath, [MAIN, "-t", file, "--state", stateRoot, "-o", "json", ...args]);
    running.child.stdin?.end(input);
    return (await running).stdout;
  };
  const explain = async (topic: string, offset: number) => {
    const { regions } = JSON.parse(await tributary(["tier", "explain", topic, "0", String(offset)]));
    assert.equal(regions.length, 1);
    return regions[0];
  };
  const lines = Array.from({ length: 600 }, (_, i) => `${i} ${"x".repeat(200)}\n`).join("");
  for (const topic of ["orders", "orders-private", "order"])
    await tributary(["produce", topic, "-r", "hub", "-p", "0"], lines);
  assert.equal((await explain("orders", 0)).reason, "due");
  await control(region.record.socketPath, { method: "POST", path: "/tier/offload" });
  const first = await explain("orders", 0);
  assert.deepEqual([first.reason, first.local, first.restorable], ["archived", false, true]);
  assert.match(first.object, /\/0\/00000000000000000000-1-[0-9a-f]+\.log$/);
  assert.equal((await explain("orders", 599)).reason, "active-segment");
  assert.equal((await explain("orders", 600)).reason, "beyond-end");
  assert.match((await explain("orders-private", 0)).explanation[0], /"orders-private" leaves it out/);
  assert.match((await explain("order", 0)).explanation[0], /near misses: "orders\*"/);
  await assert.rejects(explain("nothing", 0));
  await region.close();
  const down = await explain("orders", 0);
  assert.deepEqual([down.reason, down.local, down.restorable], ["archived", null, true]);
  assert.equal((await explain("orders", 599)).reason, "not-yet");
});
