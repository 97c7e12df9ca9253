/** The stored form of offset maps: round trips, several writers, hostile bytes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeMapChunk, encodeMapChunk } from "../../../src/mirror/map-chunk.ts";
import { type KeyedChunk, mergeMapChunks } from "../../../src/mirror/map-chunk-merge.ts";
import { mapFromChunks, mapWrites } from "../../../src/mirror/map-chunk-records.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { RunBlock } from "../../../src/mirror/offset-map-block.ts";
import type { LaneKey } from "../../../src/mirror/offset-ports.ts";
import { type ChunkPlace, chunkKey, parseChunkKey } from "../../../src/mirror/state-record-keys.ts";
import { StoredError } from "../../../src/mirror/stored-error.ts";
import { type MapStep, mapSteps, play, startModel } from "./offset-map-model.ts";

const blockRunsMax = 3;
const lane = "a/b/0/c/d/0" as LaneKey;
const start = { sourceNext: 5n, targetNext: 7n, count: 0n };

/** A compacted topic. */
class Topic {
  readonly records = new Map<string, Buffer>();

  write(map: OffsetMap): void {
    for (const { key, value } of mapWrites(lane, map)) {
      if (value === null) this.records.delete(key);
      else this.records.set(key, value);
    }
  }

  read(sourceFloor?: bigint): OffsetMap | undefined {
    const chunks: [ChunkPlace, Buffer][] = [];
    for (const [key, value] of this.records) {
      const parsed = parseChunkKey(key);
      if (parsed !== undefined) chunks.push([parsed.place, value]);
    }
    return mapFromChunks(chunks, { blockRunsMax, ...(sourceFloor === undefined ? {} : { sourceFloor }) });
  }
}

function assertSameAnswers(read: OffsetMap | undefined, written: OffsetMap): void {
  assert.ok(read !== undefined);
  assert.deepEqual(read.progress, written.progress);
  assert.deepEqual(read.floor.source, written.floor.source);
  for (let offset = 0n; offset <= written.progress.sourceNext + 2n; offset++) {
    assert.deepEqual(read.translate(offset), written.translate(offset));
  }
  for (let offset = read.floor.target; offset <= written.progress.targetNext + 2n; offset++) {
    assert.deepEqual(read.reverse(offset), written.reverse(offset));
  }
}

test("A stored map answers as the map did, however often it was written", () => {
  fc.assert(
    fc.property(fc.array(mapSteps, { maxLength: 6 }), (phases) => {
      const model = startModel();
      const map = OffsetMap.startingAt(start, { blockRunsMax });
      const topic = new Topic();
      topic.write(map);
      for (const steps of phases) {
        play(steps, model, map);
        topic.write(map);
        assertSameAnswers(topic.read(map.floor.source), map);
      }
    }),
    { numRuns: 300 },
  );
});

test("A map read back goes on as if it had never been away", () => {
  fc.assert(
    fc.property(mapSteps, mapSteps, (first, then) => {
      const model = startModel();
      const map = OffsetMap.startingAt(start, { blockRunsMax });
      const topic = new Topic();
      play(first, model, map);
      topic.write(map);
      const read = topic.read(map.floor.source);
      assert.ok(read !== undefined);
      play(then, structuredClone(model), map);
      play(then, model, read);
      topic.write(read);
      assertSameAnswers(topic.read(read.floor.source), map);
    }),
    { numRuns: 300 },
  );
});

/** What the target would answer to OffsetForLeaderEpoch: where each epoch's records end. */
type EpochEnds = Map<number, number>;

/** Appends and advances only, under an epoch. */
function copyOn(steps: readonly MapStep[], sourceEnd: { value: number }, map: OffsetMap, epoch: number): void {
  for (const step of steps) {
    const { sourceNext, targetNext } = map.progress;
    if (step.kind === "append") {
      const sourceStart = sourceNext + BigInt(step.sourceHole);
      map.append({ sourceStart, targetStart: targetNext + BigInt(step.targetHole), length: step.length }, epoch);
    }
    if (step.kind === "advance") map.advanceTo(sourceNext + BigInt(step.sourceHole));
  }
  sourceEnd.value = Math.max(sourceEnd.value, Number(map.progress.sourceNext));
}

/** What takeover does with a map: ask about each epoch, cut what the target no longer has. */
function verified(map: OffsetMap, ends: EpochEnds): OffsetMap {
  for (const { targetEpoch, targetEnd } of map.epochEnds()) {
    const end = BigInt(ends.get(targetEpoch) ?? Number.MAX_SAFE_INTEGER);
    if (end < targetEnd) map.truncateTarget(end);
  }
  return map;
}

test("A stale worker's writes never make a stored map wrong", () => {
  const round = fc.record({ steps: mapSteps, lost: fc.option(fc.integer({ min: 0, max: 12 })), stale: fc.boolean() });
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 6 }), fc.boolean(), (rounds, staleLast) => {
      const topic = new Topic();
      const ends: EpochEnds = new Map();
      const sourceEnd = { value: 0 };
      let epoch = 0;
      const truth = OffsetMap.startingAt(start, { blockRunsMax });
      let stale = OffsetMap.startingAt(start, { blockRunsMax });
      for (const { steps, lost, stale: staleWrites } of rounds) {
        copyOn(steps, sourceEnd, truth, epoch);
        topic.write(truth);
        if (staleWrites) topic.write(stale);
        // A worker that holds what was written so far, and writes it again later.
        stale = rewritten(truth);
        if (lost !== null) {
          const cut = truth.progress.targetNext - BigInt(lost);
          const end = cut < start.targetNext ? start.targetNext : cut;
          ends.set(epoch, Number(end));
          for (const older of ends.keys()) ends.set(older, Math.min(ends.get(older) ?? 0, Number(end)));
          epoch++;
          truth.truncateTarget(end);
        }
      }
      topic.write(stale);
      truth.advanceTo(truth.progress.sourceNext + 1n);
      topic.write(truth);
      if (staleLast) topic.write(rewritten(stale));
      const read = topic.read();
      assert.ok(read !== undefined);
      verified(read, ends);
      for (let offset = read.floor.source; offset < read.progress.sourceNext; offset++) {
        const expected = truth.translate(offset);
        const answer = read.translate(offset);
        // A map that ends early points at its own end where the truth knows a later run, never past it.
        assert.ok(answer.targetOffset <= expected.targetOffset, `${offset}`);
        if (answer.targetOffset < read.progress.targetNext) assert.deepEqual(answer, expected);
      }
    }),
    { numRuns: 500 },
  );
});

/** A copy with every block marked as changed. */
function rewritten(map: OffsetMap): OffsetMap {
  const copy = OffsetMap.startingAt(start, { blockRunsMax });
  for (const run of map.runs()) copy.append(run, map.epochEnds().at(-1)?.targetEpoch ?? -1);
  copy.advanceTo(map.progress.sourceNext);
  return copy;
}

test("A stored map ends before a missing block instead of having a hole", () => {
  const map = OffsetMap.startingAt(start, { blockRunsMax: 1 });
  for (let i = 0n; i < 4n; i++) map.append({ sourceStart: 10n + i * 10n, targetStart: 10n + i * 5n, length: 5 });
  const topic = new Topic();
  topic.write(map);
  topic.records.delete(chunkKey(lane, 1));
  const read = topic.read();
  assert.equal(read?.progress.sourceNext, 15n);
  assert.deepEqual(read?.translate(20n).kind, "clamped");
});

test("A stored map survives a stale worker that writes a trimmed block again", () => {
  const map = OffsetMap.startingAt(start, { blockRunsMax: 1 });
  for (let i = 0n; i < 4n; i++) map.append({ sourceStart: 10n + i * 10n, targetStart: 10n + i * 5n, length: 5 });
  const topic = new Topic();
  topic.write(map);
  const trimmed = topic.records.get(chunkKey(lane, 0));
  assert.ok(trimmed !== undefined);
  map.trimBefore(32n);
  topic.write(map);
  assert.equal(topic.records.has(chunkKey(lane, 0)), false);
  topic.records.set(chunkKey(lane, 0), trimmed);
  assertSameAnswers(topic.read(map.floor.source), map);
});

test("A map chunk keeps its runs in a few bytes each", () => {
  const block = new RunBlock({ number: 0, from: { source: 0, target: 0, count: 0 } });
  for (let i = 0; i < 4_096; i++) block.append({ sourceStart: i * 101, targetStart: i * 100, length: 100 });
  const bytes = encodeMapChunk({ block, next: block.end });
  assert.ok(bytes.length < 4_096 * 3 + 32, `${bytes.length} bytes`);
});

test("A map chunk carries offsets up to 2^53", () => {
  const from = { source: 2 ** 52, target: 2 ** 51, count: 2 ** 40 };
  const block = new RunBlock({ number: 70_000, from, targetEpoch: 12 });
  block.append({ sourceStart: 2 ** 52 + 2 ** 51, targetStart: 2 ** 52, length: 2 ** 33 });
  const next = { source: block.sourceEnd + 9, target: block.targetEnd };
  const read = decodeMapChunk(encodeMapChunk({ block, next }));
  assert.deepEqual(read.block.rowAt(0), block.rowAt(0));
  assert.deepEqual([read.block.from, read.block.number, read.block.targetEpoch], [from, 70_000, 12]);
  assert.deepEqual(read.next, next);
});

test("A map chunk of hostile bytes gives a typed error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, versioned) => {
      const buffer = Buffer.from(versioned ? [1, ...bytes] : bytes);
      try {
        decodeMapChunk(buffer);
      } catch (error) {
        assert.ok(error instanceof StoredError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("A map chunk with a changed byte never gives runs that break the map's rules", () => {
  fc.assert(
    fc.property(mapSteps, fc.nat(), fc.integer({ min: 1, max: 255 }), (steps, at, flip) => {
      const map = OffsetMap.startingAt(start);
      play(steps, startModel(), map);
      const value = mapWrites(lane, map).at(-1)?.value;
      assert.ok(value !== null && value !== undefined);
      const index = at % value.length;
      value[index] = (value[index] ?? 0) ^ flip;
      try {
        const read = mapFromChunks([["tail", value]]);
        for (const run of read?.runs() ?? []) assert.ok(run.length > 0);
      } catch (error) {
        assert.ok(error instanceof StoredError, String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("A chunk key says its lane and place, and ignores what others wrote", () => {
  assert.deepEqual(parseChunkKey(chunkKey(lane, 12)), { lane, place: 12 });
  assert.deepEqual(parseChunkKey(chunkKey(lane, "tail")), { lane, place: "tail" });
  for (const key of ["", "a/b", "a/b/0/c/d/0/x", "a/b/0/c/d/0/-1", "a/b/0/c/d/0/1/2"]) {
    assert.equal(parseChunkKey(key), undefined);
  }
});

/** A chunk of one run, as a worker wrote it. */
function chunk(number: number, from: number, options: { epoch: number; length: number; tail?: boolean }): KeyedChunk {
  const block = new RunBlock({ number, from: { source: from, target: from, count: from }, targetEpoch: options.epoch });
  block.append({ sourceStart: from + 1, targetStart: from, length: options.length });
  return { block, next: block.end, isTail: options.tail ?? false };
}

test("A stored block yields to its own form of a later target epoch, else to the longer one", () => {
  const stale = chunk(0, 0, { epoch: 3, length: 9 });
  const current = chunk(0, 0, { epoch: 4, length: 5, tail: true });
  const old = chunk(0, 0, { epoch: 4, length: 2 });
  assert.equal(mergeMapChunks([current, stale])?.progress.targetNext, 5n);
  assert.equal(mergeMapChunks([current, old])?.progress.targetNext, 5n);
});

test("A stored map leaves out a block that an earlier target epoch acked after a later one", () => {
  const first = chunk(0, 0, { epoch: 4, length: 5 });
  const stale = new RunBlock({ number: 1, from: first.block.end, targetEpoch: 3 });
  stale.append({ sourceStart: 7, targetStart: 5, length: 5 });
  assert.equal(mergeMapChunks([first, { block: stale, next: stale.end, isTail: true }])?.progress.targetNext, 5n);
});

test("A stored map leaves out a block that does not begin where the one before ends", () => {
  const first = chunk(0, 0, { epoch: 4, length: 5 });
  assert.equal(mergeMapChunks([first, chunk(1, 5, { epoch: 4, length: 5, tail: true })])?.progress.targetNext, 5n);
});
