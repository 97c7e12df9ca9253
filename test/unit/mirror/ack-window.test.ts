/** Acks in order, and nothing after the first failure. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AckWindow } from "../../../src/mirror/ack-window.ts";
import type { TargetFault } from "../../../src/mirror/errors.ts";
import type { AppendOutcome } from "../../../src/mirror/ports.ts";

const FAULT: TargetFault = { code: "TARGET_DOUBT", topic: "t", partition: 0, why: "REQUEST_TIMED_OUT" };

function openWindow(refuse: (sent: number) => boolean = () => false) {
  const acked: number[] = [];
  const settle: ((outcome: AppendOutcome) => void)[] = [];
  const window = new AckWindow<number>({
    onAck: (sent) => {
      acked.push(sent);
      return refuse(sent) ? FAULT : undefined;
    },
    onFault: () => {},
  });
  const send = (sent: number): void => {
    window.push(sent, new Promise((resolve) => settle.push(resolve)));
  };
  return { acked, settle, window, send };
}

test("Progress never passes the ack: acks count in send order and stop at the first failure", async () => {
  const arbitrary = fc.record({
    outcomes: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
    seed: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ outcomes, seed }) => {
      const { acked, settle, window, send } = openWindow();
      for (const index of outcomes.keys()) send(index);
      const order = [...outcomes.keys()].sort((a, b) => (seed[a] ?? 0) - (seed[b] ?? 0));
      for (const index of order) {
        const isGood = outcomes[index] === true;
        settle[index]?.(isGood ? { kind: "appended", baseOffset: 0n } : { kind: "failed", fault: FAULT });
        await Promise.resolve();
      }
      await window.below(1);
      const good = outcomes.indexOf(false);
      const expected = [...outcomes.keys()].slice(0, good < 0 ? outcomes.length : good);
      assert.deepEqual(acked, expected);
      assert.equal(window.fault, good < 0 ? undefined : FAULT);
    }),
  );
});

test("window lets the sender on when the oldest batch is settled", async () => {
  const { settle, window, send } = openWindow();
  send(0);
  send(1);
  let isFree = false;
  const waiting = window.below(2).then(() => {
    isFree = true;
  });
  settle[1]?.({ kind: "appended", baseOffset: 1n });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isFree, false);
  settle[0]?.({ kind: "appended", baseOffset: 0n });
  await waiting;
  assert.equal(window.size, 0);
});

test("window counts nothing more when an ack contradicts what the lane knows", async () => {
  const { acked, settle, window, send } = openWindow((sent) => sent === 1);
  for (const sent of [0, 1, 2]) send(sent);
  for (const resolve of settle) resolve({ kind: "appended", baseOffset: 0n });
  await window.below(1);
  assert.deepEqual(acked, [0, 1]);
  assert.equal(window.fault, FAULT);
});

test("window passes on what a bug in its owner throws", async () => {
  const window = new AckWindow<number>({
    onAck: () => {
      throw new Error("bug");
    },
    onFault: () => {},
  });
  window.push(0, Promise.resolve({ kind: "appended", baseOffset: 0n }));
  await assert.rejects(window.below(1), { message: "bug" });
});
