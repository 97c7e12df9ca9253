/** A rate that many lanes share, fairly and without idle time. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimClock } from "../../../src/adapters/sim-clock.ts";
import { Pace } from "../../../src/mirror/pace.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const UNLIMITED = { bytesPerSecond: undefined, inFlightBytesMax: 64 * MIB };

/** Sends batches of one lane for ever, each settled after `settleMs`; counts what passed. */
function lane(
  pace: Pace,
  clock: ReturnType<typeof createSimClock>,
  shape: { readonly bytes: number; readonly isLive?: boolean; readonly settleMs?: number },
) {
  const stop = new AbortController();
  const counts = { batches: 0, bytes: 0, inFlight: 0 };
  const run = async (): Promise<void> => {
    for (;;) {
      await pace.enter(shape.bytes, { isLive: shape.isLive ?? false, signal: stop.signal });
      counts.batches++;
      counts.bytes += shape.bytes;
      clock.after(shape.settleMs ?? 1, () => pace.leave(shape.bytes));
      await new Promise<void>((resolve) => clock.after(0.01, resolve));
    }
  };
  const ended = run().catch(() => undefined);
  return { counts, stop: () => stop.abort(), ended };
}

test("pace keeps the bytes of any ten seconds within the limit, and uses it", async () => {
  const clock = createSimClock();
  const bytesPerSecond = 10 * MIB;
  const pace = new Pace({ ...UNLIMITED, bytesPerSecond }, clock);
  const lanes = [16 * KIB, 64 * KIB, 900 * KIB].map((bytes) => lane(pace, clock, { bytes }));
  const passed = () => lanes.reduce((sum, { counts }) => sum + counts.bytes, 0);
  for (let round = 0; round < 5; round++) {
    const before = passed();
    await clock.runUntil(() => false, 10_000);
    const rate = (passed() - before) / 10;
    assert.ok(rate <= bytesPerSecond * 1.02 && rate >= bytesPerSecond * 0.97, `${rate / MIB} MiB/s`);
  }
  assert.ok(pace.status.throttledMs > 45_000);
});

test("pace lets everything pass at once without a rate", () => {
  const pace = new Pace(UNLIMITED, createSimClock());
  const { signal } = new AbortController();
  for (let i = 0; i < 60; i++) assert.equal(pace.enter(MIB, { isLive: false, signal }), undefined);
  assert.equal(pace.status.inFlightBytes, 60 * MIB);
});

test("pace never has more bytes in flight than allowed, unless one batch alone is larger", async () => {
  const clock = createSimClock();
  const pace = new Pace({ bytesPerSecond: undefined, inFlightBytesMax: MIB }, clock);
  for (const bytes of [300 * KIB, 500 * KIB, 2 * MIB]) lane(pace, clock, { bytes, settleMs: 7 });
  for (let i = 0; i < 2_000; i++) {
    await clock.runUntil(() => false, 1);
    const { inFlightBytes } = pace.status;
    assert.ok(inFlightBytes <= MIB || inFlightBytes === 2 * MIB, `${inFlightBytes}`);
  }
});

test("No lane waits for more than one batch of every other", async () => {
  const clock = createSimClock();
  const pace = new Pace({ ...UNLIMITED, bytesPerSecond: MIB }, clock);
  const lanes = Array.from({ length: 50 }, () => lane(pace, clock, { bytes: 32 * KIB }));
  await clock.runUntil(() => false, 20_000);
  const counts = lanes.map(({ counts: { batches } }) => batches);
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(" "));
});

test("pace lets live batches overtake a backlog, and the backlog go on beside live ones that never end", async () => {
  const clock = createSimClock();
  const pace = new Pace({ ...UNLIMITED, bytesPerSecond: 4 * MIB }, clock);
  const backlog = Array.from({ length: 100 }, () => lane(pace, clock, { bytes: MIB }));
  await clock.runUntil(() => false, 5_000);
  const startMs = clock.monotonicMs();
  const { signal } = new AbortController();
  let waitedMs = -1;
  void pace.enter(KIB, { isLive: true, signal })?.then(() => {
    waitedMs = clock.monotonicMs() - startMs;
  });
  await clock.runUntil(() => waitedMs >= 0, 5_000);
  assert.ok(waitedMs >= 0 && waitedMs <= 300, `${waitedMs} ms`);
  const live = Array.from({ length: 20 }, () => lane(pace, clock, { bytes: 64 * KIB, isLive: true }));
  const before = backlog.reduce((sum, { counts }) => sum + counts.batches, 0);
  await clock.runUntil(() => false, 20_000);
  assert.ok(backlog.reduce((sum, { counts }) => sum + counts.batches, 0) - before >= 20);
  assert.ok(live.every(({ counts }) => counts.batches > 10));
});

test("pace gives up the place of a lane that is stopped while it waits", async () => {
  const clock = createSimClock();
  const pace = new Pace({ bytesPerSecond: undefined, inFlightBytesMax: MIB }, clock);
  const { signal } = new AbortController();
  assert.equal(pace.enter(MIB, { isLive: false, signal }), undefined);
  const stopping = new AbortController();
  const stopped = pace.enter(MIB, { isLive: false, signal: stopping.signal });
  let isAdmitted = false;
  void pace.enter(10, { isLive: false, signal })?.then(() => {
    isAdmitted = true;
  });
  stopping.abort(new Error("stopped"));
  await assert.rejects(async () => stopped, /stopped/);
  assert.equal(isAdmitted, false);
  pace.leave(MIB);
  await clock.runUntil(() => isAdmitted, 10);
  assert.equal(pace.status.inFlightBytes, 10);
});
