/** Virtual time passes in order, and only when nothing else can happen. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimClock } from "../../../src/adapters/sim-clock.ts";
import { sleep } from "../../../src/core/clock.ts";
import { randomInt } from "../../../src/core/random.ts";
import { seededRandom } from "../../support/seeded-random.ts";

test("sim clock fires timers in order of time and then of their making", async () => {
  const clock = createSimClock();
  const random = seededRandom(5);
  const delays = Array.from({ length: 500 }, () => randomInt(random, 40));
  const fired: number[] = [];
  for (const [i, delayMs] of delays.entries()) clock.after(delayMs, () => fired.push(i));
  await clock.runUntil(() => false, 1_000);
  const expected = delays.map((delayMs, i) => ({ delayMs, i })).sort((a, b) => a.delayMs - b.delayMs || a.i - b.i);
  assert.deepEqual(
    fired,
    expected.map(({ i }) => i),
  );
});

test("sim clock lets promises settle before time moves on", async () => {
  const clock = createSimClock();
  const seen: string[] = [];
  const run = async (): Promise<void> => {
    await sleep(clock, 10);
    for (let i = 0; i < 200; i++) await Promise.resolve();
    seen.push(`a${clock.monotonicMs()}`);
    await sleep(clock, 10);
    seen.push(`b${clock.monotonicMs()}`);
  };
  void run();
  clock.after(11, () => seen.push("timer"));
  assert.equal(await clock.runUntil(() => seen.length === 3, 1_000), true);
  assert.deepEqual(seen, ["a10", "timer", "b20"]);
});

test("sim clock stops at its limit and never fires a cancelled timer", async () => {
  const clock = createSimClock();
  let fired = 0;
  clock.after(5, () => fired++).cancel();
  clock.after(50, () => fired++);
  assert.equal(await clock.runUntil(() => false, 20), false);
  assert.deepEqual([fired, clock.monotonicMs()], [0, 20]);
  assert.equal(await clock.runUntil(() => fired === 1, 100), true);
});
