/** How many requests a store gets at once, after it has asked for fewer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AdaptiveLimit } from "../../../../src/adapters/s3/adaptive-limit.ts";

interface Held {
  readonly end: () => void;
}

/** A limit whose requests last until the test ends them, in the order in which they were admitted. */
function openWorld(initial: number, max = 32) {
  const clock = { nowMs: 0 };
  const limit = new AdaptiveLimit({ initial, max, nowMs: () => clock.nowMs });
  const running: Held[] = [];
  const start = (): Promise<void> => limit.run(() => new Promise<void>((end) => running.push({ end })));
  return { clock, limit, running, start };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("adaptive limit never has more requests under way than it allows, and leaves none waiting for ever", async () => {
  const { running, start } = openWorld(3);
  const all = Array.from({ length: 10 }, start);
  for (let ended = 0; ended < 10; ended++) {
    await settled();
    assert.equal(running.length, Math.min(10, ended + 3));
    running[ended]?.end();
  }
  await Promise.all(all);
});

test("adaptive limit halves once for a burst of refusals and grows by one for each round that goes well", () => {
  const { clock, limit } = openWorld(8);
  limit.shrink();
  limit.shrink();
  assert.equal(limit.current, 4);
  clock.nowMs = 1_000;
  limit.shrink();
  assert.equal(limit.current, 2);
  for (let i = 0; i < 3; i++) limit.grow();
  assert.equal(limit.current, 3);
});

test("adaptive limit stays between one and its maximum", () => {
  const { clock, limit } = openWorld(2, 3);
  for (let i = 0; i < 100; i++) limit.grow();
  assert.equal(limit.current, 3);
  for (let i = 0; i < 10; i++) {
    clock.nowMs += 1_000;
    limit.shrink();
  }
  assert.equal(limit.current, 1);
});
