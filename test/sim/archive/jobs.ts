/** What processes do with an archive, each from its start to its end. */

import { publish, readHead } from "../../../src/tier/archive.ts";
import { readCatalog } from "../../../src/tier/catalog.ts";
import { collect } from "../../../src/tier/gc.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { storeNowMs } from "../../../src/tier/store-clock.ts";
import { PARTITION } from "../../support/segments.ts";
import { type ArchiveProcess, type ArchiveWorld, GRACE_MS } from "./world.ts";

/** Work of one process. */
export type Job = (process: ArchiveProcess, world: ArchiveWorld) => Promise<void>;

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;

/** One pass of the offloader. */
export const offload: Job = async (process) => {
  await offloadOnce(POLICY, () => true, process);
};

/** One run of gc. */
export const gc: Job = async ({ store }) => {
  for (const entry of await readCatalog(store))
    await collect(entry, { graceMs: GRACE_MS, dryRun: false }, { store, nowMs: await storeNowMs(store) });
};

/** Takes the oldest segment out of the archive. */
export const retire: Job = async ({ store, clock }, world) => {
  const head = await readHead(store, PARTITION);
  const [oldest, ...segments] = head?.manifest.segments ?? [];
  if (head === undefined || oldest === undefined || segments.length === 0) return;
  if (oldest.nextOffset > world.retiredTo) world.retiredTo = oldest.nextOffset;
  await publish(store, head, { ...head.manifest, segments, writtenAtMs: clock.nowMs() });
};

/** One after the other. */
export function inTurn(...jobs: readonly Job[]): Job {
  return async (process, world) => {
    for (const job of jobs) await job(process, world);
  };
}

/** Lets the grace period pass. */
export const wait: Job = (_, { clock }) => clock.advance(GRACE_MS + 1);
