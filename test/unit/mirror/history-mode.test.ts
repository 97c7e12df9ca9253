/** How long history mode's transactions last. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../../src/core/logger.ts";
import { HistoryMode } from "../../../src/mirror/history/history-mode.ts";
import type { HistoryTarget, HistoryWriter } from "../../../src/mirror/history/ports.ts";
import { ReturnRule } from "../../../src/mirror/history/return-rule.ts";
import type { LaneMemory } from "../../../src/mirror/lane-memory.ts";
import type { LaneDeps } from "../../../src/mirror/lane-options.ts";
import { LoopWatch } from "../../../src/mirror/loop-watch.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { noPlanCounts } from "../../../src/mirror/status.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { MODEL_LIMITS } from "./model/model-target.ts";
import { LANE_OPTIONS } from "./model/world.ts";

const LEADER_EPOCH = 3;
const STEP_MS = 10;

/** The mode of a writer that was opened a moment ago, on a target where a commit takes this long. */
function openMode(clock: FakeClock, commitMs: number): HistoryMode {
  const writer = { begin: async () => {}, commit: () => clock.advance(commitMs) } as unknown as HistoryWriter;
  const history = { leaderEpoch: () => LEADER_EPOCH, stableEnd: async () => 0n, worker: "one" };
  const own = { producerId: 9n, epoch: 0, base: 0n };
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  return new HistoryMode({
    options: LANE_OPTIONS,
    deps: { clock, logger: silentLogger } as unknown as LaneDeps,
    limits: MODEL_LIMITS,
    memory: { map, sourceEpoch: -1, walkPlan: "", planBase: 0n, gaps: [], gapCount: 0 } as unknown as LaneMemory,
    counts: noPlanCounts(),
    loops: new LoopWatch(),
    isAlone: () => false,
    onReader: () => {},
    onAck: () => {},
    onProgress: () => {},
    history: history as unknown as HistoryTarget,
    session: {
      ...{ writer, own, stretches: [own], isSettled: true },
      ...{ fenceEpoch: 1, leaderEpoch: LEADER_EPOCH, fencedAtMs: clock.monotonicMs() },
    },
    returnRule: new ReturnRule(clock),
    signal: new AbortController().signal,
    onCommitted: () => {},
  });
}

/** How long the transactions of a new writer last when there is always more to copy, up to the next step of the clock. */
async function transactionTimes(commitMs: number, transactions: number): Promise<readonly number[]> {
  const clock = createFakeClock();
  const mode = openMode(clock, commitMs);
  const times: number[] = [];
  for (let i = 0; i < transactions; i++) {
    await mode.prepare();
    const sinceMs = clock.monotonicMs();
    while (!mode.isTurnDue()) await clock.advance(STEP_MS);
    times.push(clock.monotonicMs() - sinceMs);
    assert.equal(await mode.turn(), false);
  }
  return times;
}

test("history mode's first transaction is short, and later ones grow to half a second", async () => {
  assert.deepEqual(await transactionTimes(0, 6), [100, 200, 400, 500, 500, 500]);
  assert.deepEqual(await transactionTimes(50, 5), [100, 200, 400, 500, 500]);
});

test("history mode's transactions last longer where ending them takes long, but none longer than a second", async () => {
  assert.deepEqual(await transactionTimes(70, 5), [100, 200, 400, 700, 700]);
  assert.deepEqual(await transactionTimes(400, 6), [100, 200, 400, 800, 1_000, 1_000]);
});
