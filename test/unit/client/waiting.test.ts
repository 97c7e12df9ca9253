/** Attempts side by side and one after the other, on a clock of the test's own. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { firstOf, retrying, unlessAborted } from "../../../src/client/waiting.ts";
import { ManualClock } from "./manual-clock.ts";

function never(): Promise<never> {
  return new Promise(() => {});
}

test("firstOf starts the next attempt when one fails and resolves with the first success", async () => {
  const clock = new ManualClock();
  const result = firstOf([() => Promise.reject(new Error("a")), async () => "b", never], { clock, staggerMs: 100 });
  assert.equal(await clock.until(result), "b");
  assert.equal(clock.monotonicMs(), 0);
  assert.equal(clock.pending, 0);
});

test("firstOf starts the next attempt after the stagger and aborts the losers", async () => {
  const clock = new ManualClock();
  const signals: AbortSignal[] = [];
  const hang = (signal: AbortSignal): Promise<never> => {
    signals.push(signal);
    return never();
  };
  const result = firstOf([hang, hang, async () => "c"], { clock, staggerMs: 100 });
  assert.equal(await clock.until(result), "c");
  assert.equal(clock.monotonicMs(), 200);
  assert.ok(signals.every(({ aborted }) => aborted));
});

test("firstOf fails with all failures in order, an empty list at once", async () => {
  const clock = new ManualClock();
  const [a, b] = [new Error("a"), new Error("b")];
  const slow = async (): Promise<never> => {
    await new Promise<void>((resolve) => clock.after(500, resolve));
    throw a;
  };
  const failing = firstOf([slow, () => Promise.reject(b)], { clock, staggerMs: 100 }).catch(
    (error: AggregateError) => error.errors,
  );
  assert.deepEqual(await clock.until(failing), [a, b]);
  const none = firstOf([], { clock, staggerMs: 100 }).catch((error: AggregateError) => error.errors);
  assert.deepEqual(await none, []);
});

test("retrying repeats with backoff while the error may pass and the time lasts", async () => {
  const clock = new ManualClock();
  const deps = { clock, random: nodeRandom() };
  const passing = new Error("passing");
  let attempts = 0;
  const succeeds = retrying(deps, { timeoutMs: 10_000, mayRetry: (error) => error === passing }, async (attempt) => {
    attempts = attempt;
    if (attempt < 4) throw passing;
    return "done";
  });
  assert.equal(await clock.until(succeeds), "done");
  assert.equal(attempts, 4);
  const startMs = clock.monotonicMs();
  const fails = retrying(deps, { timeoutMs: 5_000, mayRetry: () => true }, async () => {
    attempts++;
    throw passing;
  }).catch((error: unknown) => error);
  assert.equal(await clock.until(fails), passing);
  assert.ok(clock.monotonicMs() - startMs <= 5_000);
  assert.ok(attempts > 8 && attempts < 30);
});

test("retrying throws at once what will not pass, and the reason when aborted in between", async () => {
  const clock = new ManualClock();
  const deps = { clock, random: nodeRandom() };
  const fatal = new Error("fatal");
  const once = retrying(deps, { timeoutMs: 1_000, mayRetry: () => false }, () => Promise.reject(fatal));
  await assert.rejects(once, fatal);
  const controller = new AbortController();
  const aborted = retrying(deps, { timeoutMs: 1_000, mayRetry: () => true, signal: controller.signal }, () =>
    Promise.reject(fatal),
  ).catch((error: unknown) => error);
  await clock.run(5);
  const reason = new Error("enough");
  controller.abort(reason);
  assert.equal(await aborted, reason);
  assert.equal(clock.pending, 0);
});

test("unlessAborted follows the promise or the signal, whichever comes first", async () => {
  const reason = new Error("enough");
  assert.equal(await unlessAborted(Promise.resolve(1), undefined), 1);
  assert.equal(await unlessAborted(Promise.resolve(1), new AbortController().signal), 1);
  await assert.rejects(unlessAborted(never(), AbortSignal.abort(reason)), reason);
  const controller = new AbortController();
  const pending = unlessAborted(never(), controller.signal);
  controller.abort(reason);
  await assert.rejects(pending, reason);
});
