/** The quickstart's kills come in the middle of the work, or do not count. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { KILL_AT_SHARES, KillGate, makeTrouble } from "../../../src/quickstart/trouble.ts";
import type { MainJobWorld, WorkerEnd, WorkerProcess } from "../../../src/quickstart/world.ts";

const TOTAL = 1_000;

/** A world without regions: each question for the progress copies some more, as long as a worker lives. */
function fakeWorld(options: { readonly perQuestion: number; readonly endsByItself?: boolean }) {
  const log: string[] = [];
  let mirrored = 0;
  let living = 0;
  const startWorker = async (): Promise<WorkerProcess> => {
    living++;
    const { promise: ended, resolve } = Promise.withResolvers<WorkerEnd>();
    if (options.endsByItself === true) resolve({ exitCode: 1, signal: null });
    const end = (signal: string) => async (): Promise<void> => {
      living--;
      log.push(`${signal} at ${mirrored}`);
      resolve({ exitCode: null, signal });
    };
    return { pid: 1, ended, kill: end("kill"), stop: end("stop") };
  };
  const world: MainJobWorld = {
    sources: [],
    target: { region: "central", bootstrap: [] },
    targetTopic: (region, topic) => `${region}.${topic}`,
    startWorker,
    stopTargetBroker: async () => void log.push("broker stops"),
    startTargetBroker: async () => void log.push("broker starts"),
    translators: async () => assert.fail("nobody translates here"),
  };
  const meter = {
    async mirrored() {
      if (living > 0) mirrored = Math.min(TOTAL, mirrored + options.perQuestion);
      return mirrored;
    },
  };
  return { world, meter, log, deps: { world, meter, total: TOTAL, gate: new KillGate(), onEvent: () => undefined } };
}

test("trouble kills a worker at each share, in the middle of the work, and brings the broker back", async () => {
  const { world, deps, log } = fakeWorld({ perQuestion: 10 });
  const trouble = await makeTrouble(await world.startWorker(), deps);
  assert.equal(trouble.kills.length, KILL_AT_SHARES.length);
  for (const [index, { mirrored }] of trouble.kills.entries()) {
    assert.ok(mirrored >= TOTAL * (KILL_AT_SHARES[index] ?? 1) && mirrored < TOTAL);
  }
  assert.equal(trouble.brokerStops, 1);
  assert.deepEqual(
    log.filter((line) => line.startsWith("broker")),
    ["broker stops", "broker starts"],
  );
});

test("trouble refuses a kill that came when nothing was left to copy", async () => {
  const { world, deps } = fakeWorld({ perQuestion: TOTAL });
  await assert.rejects(makeTrouble(await world.startWorker(), deps), (error) =>
    hasFaultCode(error, "QUICKSTART_KILL_TOO_LATE"),
  );
});

test("trouble tells of a worker that ends by itself instead of waiting for progress", async () => {
  const { world, deps } = fakeWorld({ perQuestion: 0, endsByItself: true });
  await assert.rejects(makeTrouble(await world.startWorker(), deps), (error) =>
    hasFaultCode(error, "QUICKSTART_WORKER_ENDED"),
  );
});

test("restarted worker copies something of its own before it is killed", async () => {
  const { world, deps } = fakeWorld({ perQuestion: 700 });
  await assert.rejects(makeTrouble(await world.startWorker(), deps)); // 700, then all 1,000: too late
  const slow = fakeWorld({ perQuestion: 130 });
  const { kills } = await makeTrouble(await slow.world.startWorker(), slow.deps);
  const counts = kills.map(({ mirrored }) => mirrored);
  for (const [index, count] of counts.entries()) assert.ok(count > (counts[index - 1] ?? 0));
});

test("gate holds the load back until the kills have come, and lets all pass when none will come any more", async () => {
  const gate = new KillGate();
  await gate.pass(0.45);
  const passed: number[] = [];
  const waits = [0.5, 0.8, 1].map((share) => gate.pass(share).then(() => passed.push(share)));
  gate.killed();
  await waits[0];
  assert.deepEqual(passed, [0.5]);
  gate.killed();
  await waits[1];
  assert.deepEqual(passed, [0.5, 0.8]);
  gate.open();
  await waits[2];
  assert.deepEqual(passed, [0.5, 0.8, 1]);
});
