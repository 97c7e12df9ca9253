/** How soon lanes in history mode move again after their worker was killed: the real client, brokers and mirror in virtual time, so that
 *  only waits count, and not how busy the machine is. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { later } from "../../src/mirror/offset-order.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { Marks } from "../sim/marks.ts";
import type { SimPlan } from "../sim/plan.ts";
import { planOf } from "../sim/swarm.ts";
import { Trace } from "../sim/trace.ts";
import { SimWorld } from "../sim/world.ts";

const TOPIC = "orders";
const PARTITIONS = 6;
const PRODUCE_EVERY_MS = 20;
const YEAR_2001_MS = Date.UTC(2001, 0);
/** A worker's process starts in about so long, before it asks anybody anything. */
const START_MS = 400;
/** "A lane moves again within 2 s". */
const MOVING_AGAIN_MS_MAX = 2_000;
const KILLS = 8;

/** Two workers, old records, and a way to the target on which a transaction takes long enough to be hit while it ends. */
function plan(seed: number): SimPlan {
  const { shape } = planOf(seed);
  const calm: Partial<SimPlan["shape"]> = {
    directions: "one-way",
    topics: [{ name: TOPIC, partitions: PARTITIONS, appendTime: false }],
    workers: 2,
    brokers: { east: 1, west: 3 },
    link: { latencyMs: 5, jitterMs: 2 },
    randomPieces: false,
    uncleanElections: false,
    targetBytesMax: 0,
    expirationMs: 86_400_000,
  };
  return { version: 1, seed, shape: { ...shape, ...calm }, faults: [] };
}

/** A world in which old records come all the time. */
class Old {
  readonly world: SimWorld;
  readonly #client: KafkaClient;
  #isOn = true;
  #next = 0;

  private constructor(world: SimWorld, client: KafkaClient) {
    this.world = world;
    this.#client = client;
  }

  static async open(seed: number): Promise<Old> {
    const world = await SimWorld.open({ plan: plan(seed), marks: new Marks(), trace: new Trace(), mutation: {} });
    const old = new Old(world, await world.settled(world.admin("east")));
    old.#produce();
    for (const slot of [1, 2]) world.startWorker(slot);
    assert.ok(
      await world.clock.runUntil(() => old.#ends().every((end, lane) => old.#reached(lane) > 0n && end > 0n), 60_000),
    );
    return old;
  }

  #produce(): void {
    if (!this.#isOn) return;
    const timestampMs = BigInt(YEAR_2001_MS);
    const batch = encodeBatch([{ timestampMs, key: null, value: Buffer.from(String(this.#next++)) }]);
    const partitions = Array.from({ length: PARTITIONS }, (_, index) => {
      return { topic: TOPIC, topicId: ZERO_UUID, index, records: batch.bytes };
    });
    void produceTo(this.#client, 1, { partitions, acks: -1 }).catch(() => undefined);
    this.world.clock.after(PRODUCE_EVERY_MS, () => this.#produce());
  }

  #ends(): readonly bigint[] {
    const region = this.world.regions.east.embedded;
    return Array.from({ length: PARTITIONS }, (_, index) => region.partitionLog(TOPIC, index)?.endOffset ?? 0n);
  }

  /** How far a lane is, as a worker that lives shows it: "Progress never passes the commit". */
  #reached(lane: number): bigint {
    const lanes = this.world.workers.flatMap(({ flows }) => flows.flatMap(({ flow }) => flow.status.lanes));
    const places = lanes.filter(({ partition }) => partition === lane).map(({ sourceNext = 0n }) => sourceNext);
    return places.reduce(later, 0n);
  }

  async pass(ms: number): Promise<void> {
    await this.world.clock.runUntil(() => false, ms);
  }

  /** Kills workers, and starts new ones in their place unless told not to; how long until each lane moves again. */
  async kill(slots: readonly number[], isStarted: boolean): Promise<readonly number[]> {
    const { world } = this;
    const killedMs = world.clock.monotonicMs();
    const ends = this.#ends();
    for (const slot of slots) world.killWorker(slot);
    if (isStarted)
      world.clock.after(START_MS, () => {
        for (const slot of slots) world.startWorker(slot);
      });
    const movedMs = new Map<number, number>();
    const look = (): boolean => {
      for (const [lane, end] of ends.entries())
        if (!movedMs.has(lane) && this.#reached(lane) > end) movedMs.set(lane, world.clock.monotonicMs() - killedMs);
      return movedMs.size === PARTITIONS;
    };
    assert.ok(
      await world.clock.runUntil(look, 60_000),
      `lanes ${ends
        .keys()
        .filter((lane) => !movedMs.has(lane))
        .toArray()} rest`,
    );
    return [...movedMs.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOn = false;
    await this.world.settled(this.#client.close());
    await this.world.close();
  }
}

/** Kills again and again, at other moments of the lanes' transactions; the longest times. */
async function longest(seed: number, slotsOf: (kill: number) => readonly number[], isStarted: boolean) {
  await using old = await Old.open(seed);
  const times: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    await old.pass(2_500 + kill * 37);
    const slots = slotsOf(kill);
    times.push(...(await old.kill(slots, isStarted)));
    if (!isStarted) for (const slot of slots) old.world.startWorker(slot);
  }
  times.sort((a, b) => b - a);
  return times;
}

test("lanes in history mode move again within 2 s when both workers are killed and start again", async (t) => {
  const times = await longest(1, () => [1, 2], true);
  t.diagnostic(JSON.stringify(quantiles(times)));
  assert.ok((times[0] ?? Number.NaN) < MOVING_AGAIN_MS_MAX, `${times.slice(0, 10)}`);
});

test("lanes in history mode move again within 2 s when one of two workers is killed and starts again", async (t) => {
  const times = await longest(2, (kill) => [1 + (kill % 2)], true);
  t.diagnostic(JSON.stringify(quantiles(times)));
  assert.ok((times[0] ?? Number.NaN) < MOVING_AGAIN_MS_MAX, `${times.slice(0, 10)}`);
});

test("lanes in history mode move again within 2 s when one of two workers is killed for good", async (t) => {
  const times = await longest(3, (kill) => [1 + (kill % 2)], false);
  t.diagnostic(JSON.stringify(quantiles(times)));
  assert.ok((times[0] ?? Number.NaN) < MOVING_AGAIN_MS_MAX, `${times.slice(0, 10)}`);
});

function quantiles(times: readonly number[]): object {
  const at = (share: number): number => Math.round(times[Math.floor(times.length * share)] ?? 0);
  return { median: at(0.5), p90: at(0.1), worst: at(0) };
}
