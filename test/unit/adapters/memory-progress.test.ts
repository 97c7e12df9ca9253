/** What every `ProgressStore` promises, on the one in memory. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLanes, MemoryProgressStore } from "../../../src/adapters/memory-progress.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { lane, stateOf } from "../../support/sample-lane.ts";

test("MemoryProgressStore gives another worker what was flushed, and not what was only saved", async () => {
  const shared = new MemoryLanes();
  const store = new MemoryProgressStore(shared);
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 5 });
  store.save(stateOf(map), map);
  assert.deepEqual(await new MemoryProgressStore(shared).load(lane), { state: undefined, map: undefined });
  await store.flush();
  map.append({ sourceStart: 7n, targetStart: 5n, length: 5 });
  const other = await new MemoryProgressStore(shared).load(lane);
  assert.deepEqual(other.map?.progress, { sourceNext: 5n, targetNext: 5n, count: 5n });
  assert.deepEqual(other.state?.progress, other.map?.progress);
});

test("MemoryProgressStore drops the blocks of a lane's former map when it begins another", async () => {
  const shared = new MemoryLanes();
  const store = new MemoryProgressStore(shared);
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n }, { blockRunsMax: 1 });
  for (let i = 0n; i < 3n; i++) map.append({ sourceStart: i * 10n, targetStart: i * 5n, length: 5 });
  store.save(stateOf(map), map);
  await store.flush();
  const next = OffsetMap.startingAt({ sourceNext: 100n, targetNext: 50n, count: 40n });
  next.append({ sourceStart: 100n, targetStart: 50n, length: 1 });
  store.save(stateOf(next), next);
  await store.flush();
  const read = await store.load(lane);
  assert.deepEqual(read.map?.floor, { source: 100n, target: 50n });
  assert.deepEqual(read.map?.progress, { sourceNext: 101n, targetNext: 51n, count: 41n });
});
