/** Many callers, few runs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Shared } from "../../../src/adapters/shared-run.ts";

/** A job whose runs are ended by hand. */
function manualJob() {
  const runs: PromiseWithResolvers<void>[] = [];
  const shared = new Shared(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  return { runs, shared };
}

test("Shared gives callers during a run one common run that begins after it", async () => {
  const { runs, shared } = manualJob();
  const first = shared.run();
  const second = shared.run();
  const third = shared.run();
  assert.equal(second, third);
  assert.equal(runs.length, 1);
  runs[0]?.resolve();
  await first;
  while (runs.length < 2) await Promise.resolve();
  const late = shared.run();
  runs[1]?.resolve();
  await second;
  while (runs.length < 3) await Promise.resolve();
  runs[2]?.resolve();
  await late;
});

test("Shared runs again after a run that failed", async () => {
  const { runs, shared } = manualJob();
  const first = shared.run();
  const second = shared.run();
  runs[0]?.reject(new Error("broken"));
  await assert.rejects(first, /broken/);
  while (runs.length < 2) await Promise.resolve();
  runs[1]?.resolve();
  await second;
});
