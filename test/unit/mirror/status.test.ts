/** What a lane tells about itself: alignment, losses, faults, and one log line for each end of a trouble. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields, Logger } from "../../../src/core/logger.ts";
import { addLatencies, LATENCY_BOUNDS_MS, noLatency, noteLatency } from "../../../src/mirror/latency.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { isAligned } from "../../../src/mirror/status.ts";
import { NO_FAULTS } from "./model/model-target.ts";
import { type Worker, World } from "./model/world.ts";

function mapFrom(start: bigint, ...runs: readonly (readonly [bigint, bigint, number])[]): OffsetMap {
  const map = OffsetMap.startingAt({ sourceNext: start, targetNext: start, count: 0n });
  for (const [sourceStart, targetStart, length] of runs) map.append({ sourceStart, targetStart, length });
  return map;
}

async function caughtUp(world: World, worker: Worker): Promise<void> {
  const end = world.source.endOffset;
  assert.ok(await world.until(() => worker.lane.map?.progress.sourceNext === end, 60_000));
}

test("map is aligned only when every offset since 0 became itself", () => {
  assert.equal(isAligned(mapFrom(0n)), true);
  assert.equal(isAligned(mapFrom(0n, [0n, 0n, 5], [5n, 5n, 2])), true);
  assert.equal(isAligned(mapFrom(7n)), false, "the past is not known");
  assert.equal(isAligned(mapFrom(7n, [7n, 7n, 1])), false);
  assert.equal(isAligned(mapFrom(0n, [0n, 1n, 5])), false);
  assert.equal(isAligned(mapFrom(0n, [0n, 0n, 2], [3n, 3n, 2])), false, "a hole on both sides is still a hole");
  const markedMap = mapFrom(0n, [0n, 0n, 2]);
  markedMap.advanceTo(3n);
  assert.equal(isAligned(markedMap), false, "the next record will lie one offset lower");
  const repeatedMap = mapFrom(0n, [0n, 0n, 2]);
  repeatedMap.appendRepeat(2n, 1);
  repeatedMap.advanceTo(3n);
  assert.equal(isAligned(repeatedMap), false);
});

test("lane is aligned while it is the only writer, and no longer after a foreign record", async () => {
  const world = new World({ seed: 1, replicatesMs: 1 });
  world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assert.equal(worker.lane.status.aligned, true);
  world.writeForeign(1);
  world.produce(2);
  await caughtUp(world, worker);
  assert.equal(worker.lane.status.aligned, false);
  assert.equal(worker.lane.status.mapRuns, 2);
});

test("lane tells when it moved last", async () => {
  const world = new World({ seed: 1, replicatesMs: 1 });
  const worker = world.spawn();
  assert.equal(worker.lane.status.movedMs, undefined);
  world.produce(3);
  await caughtUp(world, worker);
  const first = worker.lane.status.movedMs ?? 0;
  await world.until(() => false, 5_000);
  assert.equal(worker.lane.status.movedMs, first);
  world.produce(1);
  await caughtUp(world, worker);
  assert.ok((worker.lane.status.movedMs ?? 0) >= first + 5_000);
});

test("lane counts what it lost to retention, and its faults by code", async () => {
  const world = new World({ seed: 1, replicatesMs: 1, lane: { gapPolicy: "skip" } });
  for (let i = 0; i < 5; i++) world.produce(3);
  const first = world.spawn();
  await caughtUp(world, first);
  await Promise.all([first.stop(), world.until(() => false, 1_000)]);
  for (let i = 0; i < 5; i++) world.produce(3);
  world.source.startOffset = 21n;
  const second = world.spawn();
  await caughtUp(world, second);
  const { lostOffsets, gapCount, aligned } = second.lane.status;
  assert.deepEqual([lostOffsets, gapCount, aligned], [6n, 1, false]);
});

test("lane says when a trouble begins and when it has passed, once each, with the facts as fields", async () => {
  const lines: [string, string, LogFields][] = [];
  const logger: Logger = {
    debug: () => undefined,
    info: (message, fields = {}) => void lines.push(["info", message, fields]),
    warn: (message, fields = {}) => void lines.push(["warn", message, fields]),
    error: (message, fields = {}) => void lines.push(["error", message, fields]),
    child: () => logger,
  };
  const faults = { ...NO_FAULTS, refuses: 0 };
  const world = new World({ seed: 1, replicatesMs: 1, logger, faults });
  world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  faults.refuses = 1;
  world.produce(2);
  await world.until(() => worker.lane.status.faults.TARGET_DOUBT === 3, 60_000);
  faults.refuses = 0;
  await caughtUp(world, worker);
  assert.deepEqual(
    lines.map(([level, message]) => `${level} ${message}`),
    ["info lane interrupted", "info lane copies again"],
  );
  const [[, , begun] = [], [, , ended] = []] = lines;
  assert.deepEqual(Object.keys(begun ?? {}), ["code", "why"]);
  assert.equal(ended?.["after"], "TARGET_DOUBT");
  assert.ok(Number(ended?.["forMs"]) > 0);
  assert.equal(worker.lane.status.reason, undefined);
});

test("latency is counted by batch, from the newest record to the acknowledgement", async () => {
  const world = new World({ seed: 1, replicatesMs: 1 });
  world.produce(3, {}, world.clock.nowMs() - 700);
  world.produce(3, {}, world.clock.nowMs() - 120_000);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assert.equal(worker.lane.status.counts.asIsBatches, 2);
  const { batches, sumMs } = worker.lane.status.counts.latency;
  assert.equal(batches[LATENCY_BOUNDS_MS.indexOf(1_000)], 1);
  assert.equal(batches.at(-1), 1);
  assert.ok(sumMs >= 120_700 && sumMs < 122_000, String(sumMs));
});

test("latency of a clock that runs ahead is none, and a bound belongs to its class", () => {
  const counts = noLatency();
  noteLatency(counts, -50);
  noteLatency(counts, 5);
  noteLatency(counts, 5.1);
  assert.deepEqual(counts.batches.slice(0, 3), [2, 1, 0]);
  assert.ok(Math.abs(counts.sumMs - 10.1) < 1e-9);
  assert.deepEqual(addLatencies([counts, counts]).batches.slice(0, 3), [4, 2, 0]);
});
