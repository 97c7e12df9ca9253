/** The process of one region: found, told what to do, and never two on one directory. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Partitioners } from "kafkajs";
import { openFsStore } from "../../../src/adapters/fs-store.ts";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import { createTopics } from "../../../src/client/admin.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { control } from "../../../src/runtime/control-client.ts";
import { isAlive } from "../../../src/runtime/process-identity.ts";
import { RegionProcess } from "../../../src/runtime/region-process.ts";
import type { RegionSpec } from "../../../src/runtime/region-spec.ts";
import { StateDirectory } from "../../../src/runtime/state-directory.ts";
import { ensureEnded, startRegion, startRegions, stopRegion } from "../../../src/runtime/supervisor.ts";
import type { TierStatus } from "../../../src/runtime/tier-runner.ts";
import { readTopicRecord } from "../../../src/tier/topic-record.ts";
import { kafkaAt } from "../../support/archive-world.ts";

/** A state directory that is gone afterwards. */
function scratch(): { readonly root: string; readonly state: StateDirectory } & Disposable {
  const root = mkdtempSync(join(tmpdir(), "tributary-"));
  const state = new StateDirectory({ root, topology: "t" }, { storage: nodeStorage() });
  return { root, state, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
}

function spec(stateRoot: string, more: Partial<RegionSpec> = {}): RegionSpec {
  return {
    region: "a",
    topology: "t",
    stateRoot,
    host: "127.0.0.1",
    brokers: 2,
    port: undefined,
    partitions: 1,
    replicationFactor: 2,
    topicDefaults: {},
    tiering: [],
    attached: true,
    logLevel: "silent",
    ...more,
  };
}

/** A tiering rule for everything, run by command. */
const RULE = {
  topics: { include: ["*"], exclude: [] },
  olderThanMs: 0,
  keepLocalBytes: 0,
  everyMs: 60_000,
  limits: {},
  upkeep: { retention: {}, onTopicDeleted: "keep" as const, graceMs: 86_400_000 },
};

const DEPS = { logger: silentLogger, onShutdown: () => {} };

test("region process is found while it runs and keeps cluster id and ports when it comes back", async () => {
  using at = scratch();
  const first = await RegionProcess.open(spec(at.root), DEPS);
  assert.deepEqual(at.state.region("a"), first.record);
  await first.close();
  await first.close();
  assert.equal(at.state.region("a"), undefined);
  await using second = await RegionProcess.open(spec(at.root), DEPS);
  assert.deepEqual(second.record.brokers, first.record.brokers);
  assert.equal(second.record.clusterId, first.record.clusterId);
});

test("region process takes other ports when those of the last time are taken", async () => {
  using at = scratch();
  const first = await RegionProcess.open(spec(at.root), DEPS);
  await first.close();
  const blocker = createServer().listen(first.record.brokers[0]?.port, "127.0.0.1");
  await once(blocker, "listening");
  await using second = await RegionProcess.open(spec(at.root), DEPS);
  assert.notEqual(second.record.brokers[0]?.port, first.record.brokers[0]?.port);
  blocker.close();
});

test("region process refuses a directory that another one uses", async () => {
  using at = scratch();
  await using _first = await RegionProcess.open(spec(at.root), DEPS);
  await assert.rejects(RegionProcess.open(spec(at.root), DEPS), (error) => hasFaultCode(error, "STATE_LOCKED"));
});

test("region process stops and starts brokers and offloads on command", async () => {
  using at = scratch();
  const tiering = [{ ...RULE, store: "file://cold", deleteLocal: "after-verify" } as const];
  await using region = await RegionProcess.open(spec(at.root, { tiering }), DEPS);
  const { socketPath } = region.record;
  const running = async (): Promise<unknown> =>
    (await control<{ runningBrokers: unknown }>(socketPath, { method: "GET", path: "/status" })).runningBrokers;
  assert.deepEqual(await running(), [1, 2]);
  await control(socketPath, { method: "POST", path: "/brokers/2/stop" });
  assert.deepEqual(await running(), [1]);
  await control(socketPath, { method: "POST", path: "/brokers/2/start" });
  assert.deepEqual(await running(), [1, 2]);
  await assert.rejects(control(socketPath, { method: "POST", path: "/brokers/9/stop" }), /REGION_UNKNOWN_BROKER/);
  const moved = await control(socketPath, { method: "POST", path: "/tier/offload" });
  assert.deepEqual(moved, { segmentsOffloaded: 0, bytesOffloaded: 0, segmentsDropped: 0, cold: [] });
});

test("region process writes Parquet files of what it archives where its rule says so", {
  timeout: 60_000,
}, async () => {
  using at = scratch();
  const parquet = { text: true, jsonColumns: [{ name: "id", path: ["id"], type: "int64" }] } as const;
  const tiering = [{ ...RULE, store: "file://cold", deleteLocal: "never", parquet } as const];
  const topicDefaults = { "segment.bytes": "4000" };
  await using region = await RegionProcess.open(spec(at.root, { tiering, topicDefaults }), DEPS);
  const { brokers, socketPath } = region.record;
  const producer = kafkaAt(brokers[0]).producer({ createPartitioner: Partitioners.LegacyPartitioner });
  await producer.connect();
  for (let id = 0; id < 10; id++)
    await producer.send({
      topic: "orders",
      messages: [{ partition: 0, value: `{"id":${id},"x":"${"x".repeat(900)}"}` }],
    });
  await producer.disconnect();
  const moved = await control<{ segmentsOffloaded: number }>(socketPath, { method: "POST", path: "/tier/offload" });
  assert.ok(moved.segmentsOffloaded > 0);
  // They are written beside the pass.
  for (let files = 0; files < moved.segmentsOffloaded; ) {
    const { tier } = await control<{ tier: TierStatus }>(socketPath, { method: "GET", path: "/status" });
    assert.equal(tier.parquet[0]?.failure, undefined);
    files = tier.parquet[0]?.files ?? 0;
  }
  const store = await openFsStore(join(at.state.path, "cold"));
  assert.equal((await store.list("parquet/topic=orders/")).length, moved.segmentsOffloaded);
});

test("region process keeps the shape of tiered topics beside the archive", async () => {
  using at = scratch();
  const tiering = [{ ...RULE, store: "file://cold", deleteLocal: "never" } as const];
  const region = await RegionProcess.open(spec(at.root, { tiering }), DEPS);
  const { brokers, socketPath, clusterId } = region.record;
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  await using client = await KafkaClient.open({ bootstrap: [...brokers], clientId: "test" }, deps);
  const [made] = await createTopics(client, [{ name: "orders", partitions: 3, replicationFactor: 1 }]);
  await control(socketPath, { method: "POST", path: "/tier/offload" });
  // Closing it waits until the look that goes on beside the pass is over.
  await region.close();
  const store = await openFsStore(join(at.state.path, "cold"));
  const record = await readTopicRecord(store, { clusterId, topic: "orders", topicId: made?.topicId ?? ZERO_UUID });
  assert.equal(record?.partitions, 3);
});

test("supervisor starts a region as a process and hears how it ends", async () => {
  using at = scratch();
  const region = await startRegion(spec(at.root), at.state);
  assert.equal(region.record.process.pid, region.pid);
  await stopRegion(region.record);
  assert.deepEqual(await region.ended, { code: 0, signal: null });
  assert.equal(at.state.region("a"), undefined);
});

test("supervisor passes on why a region does not start, and stops the others", async () => {
  using at = scratch();
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const address = blocker.address();
  assert.ok(typeof address === "object" && address !== null);
  const specs = [spec(at.root), spec(at.root, { region: "b", port: address.port, brokers: 1 })];
  await assert.rejects(startRegions(specs, at.state), (error) => hasFaultCode(error, "NETWORK_PORT_TAKEN"));
  assert.deepEqual(at.state.regions(), []);
  blocker.close();
});

test("region ends with the process that it is attached to", async () => {
  using at = scratch();
  const supervisor = new URL("../../../src/runtime/supervisor.ts", import.meta.url).href;
  const directory = new URL("../../../src/runtime/state-directory.ts", import.meta.url).href;
  const storage = new URL("../../../src/adapters/node-storage.ts", import.meta.url).href;
  const script = `
    const { startRegion } = await import(${JSON.stringify(supervisor)});
    const { StateDirectory } = await import(${JSON.stringify(directory)});
    const { nodeStorage } = await import(${JSON.stringify(storage)});
    const state = new StateDirectory({ root: ${JSON.stringify(at.root)}, topology: "t" }, { storage: nodeStorage() });
    await startRegion(${JSON.stringify(spec(at.root))}, state);
    process.stdout.write("ready");`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(parent.stdout, "data");
  const record = at.state.region("a");
  assert.ok(record !== undefined && isAlive(record.process));
  parent.kill("SIGKILL");
  await ensureEnded(record.process);
  assert.equal(at.state.region("a"), undefined);
});
