/** What a lane makes of what was thrown, and what it remembers of it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageError } from "../../../src/core/storage.ts";
import { type LaneFault, MirrorError } from "../../../src/mirror/errors.ts";
import { LaneTrouble, laneFaultOf } from "../../../src/mirror/lane-trouble.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { WireError } from "../../../src/wire/errors.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { LANE_OPTIONS } from "./model/world.ts";

const AT_SOURCE = { topic: "orders", partition: 0 };
const AT_TARGET = { topic: "west.orders", partition: 0 };
const AWAY: LaneFault = { code: "TARGET_UNAVAILABLE", ...AT_TARGET, why: "no leader" };

test("lane trouble is news once, counts each time, and ends with how long it lasted since its first fault", async () => {
  const clock = createFakeClock();
  const trouble = new LaneTrouble(clock);
  assert.equal(trouble.over(), undefined);
  assert.equal(trouble.met(AWAY), true);
  await clock.advance(300);
  assert.equal(trouble.met({ ...AWAY }), false);
  assert.equal(trouble.met({ code: "TARGET_FENCED", ...AT_TARGET }), true);
  await clock.advance(200);
  assert.deepEqual(trouble.over(), { after: "TARGET_FENCED", forMs: 500 });
  assert.deepEqual([trouble.fault, trouble.over()], [undefined, undefined]);
  assert.deepEqual(trouble.counts, { TARGET_UNAVAILABLE: 2, TARGET_FENCED: 1 });
  assert.equal(trouble.met(AWAY), true, "news again after it was over");
});

test("lane fault that is only counted does not keep the lane from going on", () => {
  const trouble = new LaneTrouble(createFakeClock());
  trouble.count(AWAY);
  assert.deepEqual([trouble.fault, trouble.counts], [undefined, { TARGET_UNAVAILABLE: 1 }]);
});

test("lane fault of a thrown error is the mirror's own, a batch that cannot be read, or a target that is away; else a bug", () => {
  const map = OffsetMap.startingAt({ sourceNext: 4n, targetNext: 8n, count: 0n });
  map.append({ sourceStart: 4n, targetStart: 8n, length: 3 }, 0);
  const of = (error: unknown): LaneFault | undefined => laneFaultOf(error, LANE_OPTIONS, map);
  assert.deepEqual(of(new MirrorError(AWAY)), AWAY);
  const diverged = { code: "SOURCE_DIVERGED", ...AT_SOURCE, fromOffset: 7n, endOffset: 5n } as const;
  assert.deepEqual(of(new MirrorError(diverged)), { ...diverged, copies: [{ fromOffset: 9n, toOffset: 11n }] });
  const corrupt = new WireError({ code: "WIRE_BAD_CRC", expected: 1, actual: 2 });
  const what = corrupt.message;
  assert.deepEqual(of(corrupt), { code: "SOURCE_CORRUPT", ...AT_SOURCE, offset: 7n, what });
  const away = new StorageError({ code: "STORAGE_FULL", path: "/x" });
  assert.deepEqual(of(away), { code: "TARGET_UNAVAILABLE", ...AT_TARGET, why: away.message });
  assert.equal(of(new TypeError("a bug")), undefined);
});
