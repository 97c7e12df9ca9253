/** What writers leave behind that are killed in the middle of an object is collected, and nothing that is being written. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { GcOptions } from "../../src/tier/gc.ts";
import { storeNowMs } from "../../src/tier/store-clock.ts";
import { collectUnfinished, isArchiveKey } from "../../src/tier/unfinished.ts";
import { type EmptyStore, STORES } from "./stores.ts";

const WRITER = join(import.meta.dirname, "writer.ts");
const timeout = 120_000;
const HOUR_MS = 3_600_000;

const keyOf = (partition: number): string =>
  `cluster-a/flights-AAAAAAAAAAAAAAAAAAAAAA/${partition}/00000000000000000000-1-cafe.log`;

/** Begins to write in a process of its own, which waits in the middle until it is killed. */
async function begunWriter({ store, bucket }: EmptyStore, key: string) {
  const place = bucket === undefined ? { directory: fileURLToPath(store.location), key } : { bucket, key };
  const env = { ...process.env, WRITER_STORE: JSON.stringify(place) };
  const child = spawn(process.execPath, [WRITER], { env, stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), exited.then(() => assert.fail("the writer ended"))]);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  return { kill, [Symbol.asyncDispose]: kill };
}

for (const kind of STORES) {
  test(`what a killed writer left in ${kind.name} is collected after the grace, and no upload under way`, {
    skip: kind.skip,
    timeout,
  }, async () => {
    using place = await kind.open();
    const { store } = place;
    const collect = async (wanted: (key: string) => boolean, options: GcOptions, laterMs = 0) => {
      const nowMs = (await storeNowMs(store)) + laterMs;
      const report = await collectUnfinished(wanted, options, { store, nowMs });
      return { ...report, removed: report.removed.map(({ key }) => key) };
    };
    const dead = await begunWriter(place, keyOf(0));
    await dead.kill();
    await using _alive = await begunWriter(place, keyOf(1));
    const young = await collect(isArchiveKey, { graceMs: HOUR_MS, dryRun: false });
    assert.deepEqual([young.removed, young.waiting, young.untold], [[], 2, undefined]);
    // Stores tell whole seconds.
    const isDead = (key: string): boolean => key === keyOf(0);
    const dry = await collect(isDead, { graceMs: 0, dryRun: true }, 1_000);
    assert.deepEqual([dry.removed, dry.bytes >= 1024 * 1024], [[keyOf(0)], true]);
    assert.equal((await store.unfinished()).length, 2);
    const gone = await collect(isDead, { graceMs: 0, dryRun: false }, 1_000);
    assert.deepEqual(gone, dry);
    assert.deepEqual(
      (await store.unfinished()).map(({ key }) => key),
      [keyOf(1)],
    );
    assert.deepEqual(await store.list(""), []);
  });
}
