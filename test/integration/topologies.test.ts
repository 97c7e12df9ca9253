/** The topologies that come along, each on embedded regions: every record is where it should be, once and in order. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createTopics } from "../../src/client/admin.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import { loadTopology } from "../../src/runtime/topology-files.ts";
import { TopologyError } from "../../src/topology/errors.ts";
import { type Flow, flowsOf, type Topology } from "../../src/topology/model.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { contents, type EmbeddedSide, eventually, type MirrorWorker, MirrorWorld } from "./mirror-world.ts";

/** A topology at work: a region and its records for each name, a worker for each flow. */
class Running implements AsyncDisposable {
  readonly world = new MirrorWorld();
  readonly #sides = new Map<string, EmbeddedSide>();
  readonly #workers = new Map<Flow, MirrorWorker>();

  static async start(file: string): Promise<Running> {
    const topology = loadTopology(join(import.meta.dirname, `../../topologies/${file}.yaml`));
    const running = new Running();
    for (const { name } of topology.regions) running.#sides.set(name, await running.world.side(name, { brokers: 1 }));
    for (const flow of flowsOf(topology)) await running.startFlow(flow);
    return running;
  }

  get flows(): readonly Flow[] {
    return [...this.#workers.keys()];
  }

  side(region: string): EmbeddedSide {
    return this.#sides.get(region) ?? assert.fail(region);
  }

  async startFlow(flow: Flow): Promise<void> {
    const { mirror, source, target } = flow;
    const { topics, provenance, delivery, start } = mirror;
    const naming = namingOf(mirror.rename, { source, target, mirror: mirror.name });
    const options = { name: `${mirror.name}/${source}`, topics, naming, provenance, delivery, start };
    this.#workers.set(flow, await this.world.worker(this.side(source), this.side(target), options));
  }

  async kill(flow: Flow): Promise<void> {
    await this.#workers.get(flow)?.kill();
  }

  /** A flow that runs may have made it a moment ago. */
  async topic(region: string, name: string): Promise<void> {
    await createTopics(this.side(region).client, [{ name, partitions: 1, replicationFactor: 1 }]);
  }

  async produce(region: string, topic: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.world.produce(this.side(region), topic, 0, 1 + (i % 3));
  }

  async read(region: string, topic: string): Promise<readonly string[]> {
    return contents(await this.world.read(this.side(region), topic, 0));
  }

  /** Waits until a topic has so many records, and then a moment longer, so that one too many would show. */
  async settled(region: string, topic: string, count: number): Promise<readonly string[]> {
    await eventually(async () => (await this.read(region, topic)).length >= count, `${count} records in ${region}`);
    const isIdle = (): boolean => [...this.#workers.values()].every(({ flow }) => flow.status.lagRecords === 0n);
    await eventually(isIdle, "no lane has anything to do");
    return this.read(region, topic);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

function sorted(records: readonly string[]): string[] {
  return records.toSorted();
}

test("hub and spoke brings every region's records to the hub, each under its region's name", async () => {
  await using running = await Running.start("hub-and-spoke");
  for (const region of ["us-west", "us-mid", "us-east"]) {
    await running.topic(region, "orders");
    await running.produce(region, "orders", 10);
  }
  for (const region of ["us-west", "us-mid", "us-east"]) {
    const own = await running.read(region, "orders");
    assert.deepEqual(await running.settled("central", `${region}.orders`, own.length), own);
  }
});

test("active and passive have the same topics at the same offsets", async () => {
  await using running = await Running.start("active-passive");
  await running.topic("us-east", "orders");
  await running.produce("us-east", "orders", 10);
  const own = await running.read("us-east", "orders");
  assert.deepEqual(await running.settled("us-west", "orders", own.length), own);
});

test("active and active carry each record over once when both write the same partition and workers die", async () => {
  await using running = await Running.start("active-active");
  const regions = ["us-east", "us-west"] as const;
  for (const region of regions) await running.topic(region, "orders");
  const own = new Map<string, readonly string[]>();
  const producing = Promise.all(regions.map((region) => running.produce(region, "orders", 60)));
  const [flow] = running.flows;
  assert.ok(flow !== undefined);
  for (let kills = 0; kills < 3; kills++) {
    await eventually(async () => (await running.read(flow.target, "orders")).length > kills * 10, "it copies");
    await running.kill(flow);
    await running.startFlow(flow);
  }
  await producing;
  const total = 2 * 120;
  for (const region of regions) own.set(region, await running.settled(region, "orders", total));
  const [east = [], west = []] = regions.map((region) => own.get(region));
  assert.equal(east.length, total);
  assert.deepEqual(sorted(east), sorted(west));
  assert.equal(new Set(east).size, total);
});

test("fan-out brings the center's topics to every region, and no others", async () => {
  await using running = await Running.start("fan-out");
  for (const topic of ["catalog", "rates.fx", "secret"]) {
    await running.topic("central", topic);
    await running.produce("central", topic, 5);
  }
  for (const region of ["us-west", "us-mid", "us-east"]) {
    for (const topic of ["catalog", "rates.fx"]) {
      const own = await running.read("central", topic);
      assert.deepEqual(await running.settled(region, topic, own.length), own);
    }
    assert.deepEqual(await running.read(region, "secret"), []);
  }
});

test("chain passes on what came along it", async () => {
  await using running = await Running.start("chain");
  for (const region of ["us-west", "us-mid"]) {
    await running.topic(region, "orders");
    await running.produce(region, "orders", 10);
  }
  const [west, mid] = [await running.read("us-west", "orders"), await running.read("us-mid", "orders")];
  assert.deepEqual(await running.settled("us-east", "us-mid.us-west.orders", west.length), west);
  assert.deepEqual(await running.settled("us-east", "us-mid.orders", mid.length), mid);
});

test("mesh has each record in each region once", async () => {
  await using running = await Running.start("mesh");
  const regions = ["us-west", "us-mid", "us-east"];
  for (const region of regions) await running.topic(region, "orders");
  await Promise.all(regions.map((region) => running.produce(region, "orders", 15)));
  const total = 3 * 30;
  const [first = [], ...others] = await Promise.all(regions.map((region) => running.settled(region, "orders", total)));
  assert.equal(new Set(first).size, total);
  for (const other of others) assert.deepEqual(sorted(other), sorted(first));
});

function ring(rename: string, provenance: string): Topology {
  const flow = (from: string, to: string) =>
    `  - {name: ${from}-${to}, from: ${from}, to: ${to}, topics: ["orders*"], rename: "${rename}", provenance: ${provenance}}\n`;
  const regions = "regions: {a: {local: {}}, b: {local: {}}, c: {local: {}}}";
  const text = `version: 1\nname: ring\n${regions}\nmirrors:\n${flow("a", "b")}${flow("b", "c")}${flow("c", "a")}`;
  return parseTopology({ file: "ring.yaml", text });
}

function refusal(rename: string, provenance: string): string {
  try {
    ring(rename, provenance);
  } catch (error) {
    assert.ok(error instanceof TopologyError && error.fault.code === "TOPOLOGY_INVALID");
    return error.fault.issues.map(({ fact }) => fact).join("\n");
  }
  return "";
}

test("ring is refused with the way that a record would go round, unless provenance or names stop it", () => {
  assert.match(refusal("{topic}", "all"), /endless loop: a "orders\w*" -> b "orders\w*" -> c "orders\w*" -> a/);
  assert.equal(refusal("{topic}", "local"), "");
  assert.equal(refusal("{source}.{topic}", "all"), "");
});
