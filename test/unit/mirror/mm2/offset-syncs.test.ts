/** What MirrorMaker 2's readers make of our offset syncs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OffsetSync } from "../../../../src/mirror/mm2/formats.ts";
import { OffsetSyncs, syncRecord } from "../../../../src/mirror/mm2/offset-syncs.ts";
import { OffsetMap } from "../../../../src/mirror/offset-map.ts";
import { mapSteps, play, startModel } from "../offset-map-model.ts";

const START = { sourceNext: 5n, targetNext: 7n, count: 0n };

/** Source 0-9 and 20-29 on target 0-19. */
function mapWithHole(): OffsetMap {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 10 });
  map.append({ sourceStart: 20n, targetStart: 10n, length: 10 });
  return map;
}

/** What is due, written at once. */
function tell(syncs: OffsetSyncs, map: OffsetMap, positions: readonly bigint[]): readonly OffsetSync[] {
  const due = syncs.due({ sourceTopic: "t", partition: 0, map }, positions);
  syncs.wrote(due);
  return due;
}

function pairs(told: readonly OffsetSync[]): readonly (readonly [bigint, bigint])[] {
  return told.map(({ upstreamOffset, downstreamOffset }) => [upstreamOffset, downstreamOffset]);
}

/** How a reader answers from a sync at or below the group's position (Kafka, `OffsetSyncStore.translateDownstream`). */
function answerOf({ upstreamOffset, downstreamOffset }: OffsetSync, group: bigint): bigint {
  return group === upstreamOffset ? downstreamOffset : downstreamOffset + 1n;
}

test("an offset sync names one record on both sides", () => {
  const steps = mapSteps.map((all) => all.filter(({ kind }) => kind === "append" || kind === "advance"));
  const positions = fc.array(fc.bigInt({ min: 0n, max: 250n }), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(fc.tuple(steps, positions), { maxLength: 4 }), steps, (rounds, rest) => {
      const [map, model, syncs] = [OffsetMap.startingAt(START), startModel(), new OffsetSyncs()];
      const told = rounds.flatMap(([each, groups]) => {
        play(each, model, map);
        return tell(syncs, map, groups);
      });
      play(rest, model, map);
      for (const sync of told) {
        const record = model.pairs.find(({ source }) => BigInt(source) === sync.upstreamOffset);
        assert.equal(BigInt(record?.target ?? -1), sync.downstreamOffset);
        for (let group = sync.upstreamOffset; group <= map.progress.sourceNext; group++)
          assert.ok(answerOf(sync, group) <= map.translate(group).targetOffset, "an unread record is passed");
      }
      const upstream = told.map(({ upstreamOffset }) => upstreamOffset);
      assert.deepEqual(
        upstream,
        [...new Set(upstream)].toSorted((a, b) => (a < b ? -1 : 1)),
      );
    }),
  );
});

test("a sync is the record at a group's position, or the last one before it", () => {
  const map = mapWithHole();
  const at = (next: bigint) => syncRecord(map, next);
  assert.deepEqual(at(0n), { upstreamOffset: 0n, downstreamOffset: 0n });
  assert.deepEqual(at(25n), { upstreamOffset: 25n, downstreamOffset: 15n });
  assert.deepEqual(at(15n), { upstreamOffset: 9n, downstreamOffset: 9n });
  assert.deepEqual(at(30n), { upstreamOffset: 29n, downstreamOffset: 19n });
  assert.equal(syncRecord(OffsetMap.startingAt(START), 5n), undefined);
});

test("syncs tell the groups' positions that were not passed, then the newest record, once", () => {
  const [map, syncs] = [mapWithHole(), new OffsetSyncs()];
  assert.deepEqual(pairs(tell(syncs, map, [3n])), [[29n, 19n]]);
  assert.deepEqual(pairs(tell(syncs, map, [3n])), []);
  map.append({ sourceStart: 30n, targetStart: 25n, length: 10 });
  assert.deepEqual(pairs(tell(syncs, map, [35n, 3n, 31n, 40n])), [
    [31n, 26n],
    [35n, 30n],
    [39n, 34n],
  ]);
});

test("syncs begin again when the target lost what they told, even if the lane is past it by now", () => {
  const [map, syncs] = [mapWithHole(), new OffsetSyncs()];
  tell(syncs, map, []);
  map.truncateTarget(12n);
  map.append({ sourceStart: 22n, targetStart: 14n, length: 20 });
  assert.deepEqual(pairs(tell(syncs, map, [23n])), [[41n, 33n]]);
});
