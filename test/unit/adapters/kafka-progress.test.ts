/** The lazily writing store: what it writes when, what survives failures, and what other workers find. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { InternalRecord, InternalTopic } from "../../../src/adapters/internal-topic.ts";
import { KafkaProgressStore } from "../../../src/adapters/kafka-progress.ts";
import { createSimClock, type SimClock } from "../../../src/adapters/sim-clock.ts";
import { hasFaultCode, TributaryError } from "../../../src/core/errors.ts";
import { type Logger, silentLogger } from "../../../src/core/logger.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { laneKey } from "../../../src/mirror/offset-ports.ts";
import { LANES_TOPIC, OFFSETS_TOPIC } from "../../../src/mirror/state-record-keys.ts";
import { lane, stateOf } from "../../support/sample-lane.ts";

/** One topic's log, that several workers read and write. */
class Log {
  readonly records: InternalRecord[] = [];
  appends = 0;
  failing = false;

  /** A worker's own view of it. */
  view(name: string): InternalTopic {
    let position = 0;
    return {
      name,
      readNew: async (apply) => {
        const end = this.records.length;
        for (; position < end; position++) {
          const record = this.records[position];
          if (record !== undefined) apply(record.key, record.value);
        }
      },
      append: async (records) => {
        await Promise.resolve();
        if (this.failing) throw new TributaryError({ code: "TOPIC_GONE" });
        this.appends++;
        this.records.push(...records);
      },
    };
  }
}

class World {
  readonly lanes = new Log();
  readonly offsets = new Log();
  readonly clock: SimClock = createSimClock();
  readonly warnings: string[] = [];

  open(): Promise<KafkaProgressStore> {
    const note = (message: string): void => {
      this.warnings.push(message);
    };
    const logger: Logger = { ...silentLogger, warn: note, info: note };
    return KafkaProgressStore.open(
      {},
      {
        lanes: this.lanes.view(LANES_TOPIC),
        offsets: this.offsets.view(OFFSETS_TOPIC),
        clock: this.clock,
        random: { next: () => 0.5, bytes: (length) => new Uint8Array(length) },
        logger,
      },
    );
  }

  /** Lets virtual time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.runUntil(() => false, ms);
  }
}

const start = { sourceNext: 0n, targetNext: 0n, count: 0n };

function mapOf(records: number): OffsetMap {
  const map = OffsetMap.startingAt(start);
  map.append({ sourceStart: 0n, targetStart: 0n, length: records });
  return map;
}

test("KafkaProgressStore writes the latest progress of a lane once per interval, however often it is saved", async () => {
  const world = new World();
  await using store = await world.open();
  const map = mapOf(1);
  for (let offset = 1n; offset < 500n; offset++) {
    map.append({ sourceStart: offset, targetStart: offset, length: 1 });
    store.save(stateOf(map), map);
  }
  await world.pass(10_000);
  assert.equal(world.lanes.records.length, 1);
  assert.equal(world.offsets.records.length, 1);
  const other = await (await world.open()).load(lane);
  assert.equal(other.state?.progress.sourceNext, 500n);
  assert.equal(other.map?.progress.sourceNext, 500n);
});

test("KafkaProgressStore has everything on the target when a flush resolves", async () => {
  const world = new World();
  await using store = await world.open();
  const map = mapOf(5);
  store.save(stateOf(map), map);
  await store.flush();
  const other = await (await world.open()).load(lane);
  assert.deepEqual(other.map?.progress, map.progress);
  assert.deepEqual(other.state, stateOf(map));
});

test("KafkaProgressStore writes a tail with many holes more rarely", async () => {
  const world = new World();
  await using store = await world.open();
  const map = OffsetMap.startingAt(start);
  for (let offset = 0n; offset < 6_000n; offset += 3n) {
    map.append({ sourceStart: offset, targetStart: offset, length: 1 });
  }
  for (let second = 0; second < 20; second++) {
    const { sourceNext } = map.progress;
    map.append({ sourceStart: sourceNext + 1n, targetStart: sourceNext + 1n, length: 1 });
    store.save(stateOf(map), map);
    await world.pass(1_000);
  }
  assert.ok(world.lanes.records.length >= 19);
  assert.ok(world.offsets.records.length <= 4, `${world.offsets.records.length}`);
  await world.pass(60_000);
  const other = await (await world.open()).load(lane);
  assert.deepEqual(other.map?.progress, map.progress);
});

test("KafkaProgressStore keeps what it could not write, and says so once", async () => {
  const world = new World();
  await using store = await world.open();
  const map = mapOf(5);
  world.offsets.failing = true;
  store.save(stateOf(map), map);
  await world.pass(10_000);
  assert.equal(world.lanes.records.length, 0);
  map.append({ sourceStart: 5n, targetStart: 5n, length: 5 });
  store.save(stateOf(map), map);
  world.offsets.failing = false;
  await world.pass(10_000);
  assert.deepEqual(world.warnings, ["progress cannot be stored", "progress is stored again"]);
  const other = await (await world.open()).load(lane);
  assert.equal(other.map?.progress.sourceNext, 10n);
  assert.equal(other.state?.progress.sourceNext, 10n);
});

test("KafkaProgressStore rejects a flush after its attempts, and can flush again later", async () => {
  const world = new World();
  await using store = await world.open();
  const map = mapOf(5);
  store.save(stateOf(map), map);
  world.lanes.failing = true;
  let outcome: unknown;
  void store.flush().catch((error: unknown) => {
    outcome = error;
  });
  await world.clock.runUntil(() => outcome !== undefined, 60_000);
  assert.ok(hasFaultCode(outcome, "TARGET_UNAVAILABLE"));
  world.lanes.failing = false;
  await store.flush();
  assert.equal(world.lanes.records.length, 1);
});

test("KafkaProgressStore writes what is saved when it closes, and nothing after", async () => {
  const world = new World();
  const store = await world.open();
  const map = mapOf(5);
  store.save(stateOf(map), map);
  await store.close();
  await store.close();
  assert.equal(world.lanes.records.length, 1);
  map.append({ sourceStart: 5n, targetStart: 5n, length: 5 });
  store.save(stateOf(map), map);
  await world.pass(10_000);
  assert.equal(world.lanes.records.length, 1);
});

test("KafkaProgressStore shows a load what other workers wrote meanwhile", async () => {
  const world = new World();
  await using first = await world.open();
  await using second = await world.open();
  const map = mapOf(5);
  first.save(stateOf(map), map);
  await first.flush();
  assert.deepEqual((await second.load(lane)).map?.progress, map.progress);
  assert.deepEqual((await second.list()).length, 1);
});

test("KafkaProgressStore drops what it had saved when the lane is loaded", async () => {
  const world = new World();
  await using store = await world.open();
  const map = mapOf(5);
  store.save(stateOf(map), map);
  assert.deepEqual(await store.load(lane), { state: undefined, map: undefined });
  await world.pass(10_000);
  assert.equal(world.lanes.records.length, 0);
});

test("KafkaProgressStore removes the blocks of a lane's former map when it begins another", async () => {
  const world = new World();
  await using store = await world.open();
  const map = OffsetMap.startingAt(start, { blockRunsMax: 1 });
  for (let i = 0n; i < 3n; i++) map.append({ sourceStart: i * 10n, targetStart: i * 5n, length: 5 });
  store.save(stateOf(map), map);
  await store.flush();
  const next = OffsetMap.startingAt({ sourceNext: 100n, targetNext: 50n, count: 40n });
  next.append({ sourceStart: 100n, targetStart: 50n, length: 1 });
  store.save(stateOf(next), next);
  await store.flush();
  const other = await (await world.open()).load(lane);
  assert.deepEqual(other.map?.floor, { source: 100n, target: 50n });
  assert.deepEqual(other.map?.progress, { sourceNext: 101n, targetNext: 51n, count: 41n });
});

test("KafkaProgressStore never takes an era back for a worker that missed the new one", async () => {
  const world = new World();
  await using stale = await world.open();
  await using current = await world.open();
  const map = mapOf(5);
  current.save({ ...stateOf(map), era: { epoch: 1, base: 5n } }, map);
  await current.flush();
  stale.save({ ...stateOf(map), era: { epoch: 0, base: 0n } }, map);
  await stale.flush();
  assert.equal((await current.load(lane)).state?.era.epoch, 1);
});

test("KafkaProgressStore stops a lane whose stored records it cannot use", async () => {
  const world = new World();
  await using store = await world.open();
  world.lanes.records.push({ route: laneKey(lane), key: laneKey(lane), value: Buffer.from('{"v":99}') });
  await assert.rejects(store.load(lane), (error) => hasFaultCode(error, "LANE_UNEXPLAINED"));
  assert.deepEqual(await store.list(), []);
});
