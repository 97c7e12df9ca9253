/** The clock and the chance of the process keep what their ports promise. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { sleep } from "../../../src/core/clock.ts";
import { randomUuid } from "../../../src/core/random.ts";

test("node clock runs a timer of zero later, never synchronously", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    nodeClock().after(0, () => {
      order.push("timer");
      resolve();
    });
    order.push("caller");
  });
  assert.deepEqual(order, ["caller", "timer"]);
});

test("node clock never runs a cancelled timer", async () => {
  const clock = nodeClock();
  const ran: number[] = [];
  for (const delayMs of [0, 1]) {
    const timer = clock.after(delayMs, () => ran.push(delayMs));
    timer.cancel();
    timer.cancel();
  }
  await sleep(clock, 5);
  assert.deepEqual(ran, []);
});

test("node clock measures elapsed time that never goes back", async () => {
  const clock = nodeClock();
  const start = clock.monotonicMs();
  await sleep(clock, 1);
  assert.ok(clock.monotonicMs() >= start);
  assert.ok(clock.nowMs() > 1_600_000_000_000);
});

test("node random makes distinct uuids", () => {
  const random = nodeRandom();
  assert.notEqual(randomUuid(random), randomUuid(random));
  assert.equal(random.bytes(7).byteLength, 7);
  const value = random.next();
  assert.ok(value >= 0 && value < 1);
});
