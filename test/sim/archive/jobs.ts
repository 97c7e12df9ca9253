/** What processes do with an archive, each from its start to its end. */

import { readCatalog } from "../../../src/tier/catalog.ts";
import { collect } from "../../../src/tier/gc.ts";
import { decodeManifest } from "../../../src/tier/manifest.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import type { ObjectStore } from "../../../src/tier/ports.ts";
import { retainPartition } from "../../../src/tier/retention.ts";
import { storeNowMs } from "../../../src/tier/store-clock.ts";
import { keepUp } from "../../../src/tier/upkeep.ts";
import { PARTITION } from "../../support/segments.ts";
import { type ArchiveProcess, type ArchiveWorld, GRACE_MS } from "./world.ts";

/** Work of one process. */
export type Job = (process: ArchiveProcess, world: ArchiveWorld) => Promise<void>;

/** By retention, of six. */
const KEPT_SEGMENTS = 2;

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

/** Retention down to two segments: what it takes out may be gone from then on, and only what no broker has any more. */
export const retire: Job = async ({ store, clock }, world) => {
  const watched: ObjectStore = {
    ...store,
    putIfAbsent: (key, bytes) => {
      const { removed } = decodeManifest(key, bytes);
      const to = removed?.nextOffset ?? 0n;
      if ([...world.local].some((baseOffset) => baseOffset < to))
        world.violations.push("the archive keeps at least what is local");
      if (to > world.retiredTo) world.retiredTo = to;
      return store.putIfAbsent(key, bytes);
    },
  };
  const kept = world.written.slice(0, KEPT_SEGMENTS);
  const retention = { bytes: kept.reduce((sum, { info }) => sum + info.sizeBytes, 0) };
  const localStart = [...world.local].sort((a, b) => Number(a - b))[0];
  const bounds = { nowMs: clock.nowMs(), localStart };
  await retainPartition(PARTITION, { retention, bounds }, { store: watched, clock });
};

/** The topic is deleted in the cluster, with all that it had on the disk. */
export const deleteTopic: Job = async (_, world) => {
  world.isTopicThere = false;
  world.local.clear();
  world.retiredTo = world.written.at(-1)?.info.nextOffset ?? 0n;
};

/** What deleted topics left in the archive is taken out, and later collected. */
export const forgetDeleted: Job = async ({ store, clock }, world) => {
  const localStart = async () => (world.isTopicThere ? ("unknown" as const) : ("gone" as const));
  const logs = { clusterId: PARTITION.clusterId, localStart, raiseStart: async () => {} };
  const policy = { retention: {}, onTopicDeleted: "delete", graceMs: GRACE_MS } as const;
  await keepUp(policy, () => true, { store, clock, logs, collects: true });
};

/** One after the other. */
export function inTurn(...jobs: readonly Job[]): Job {
  return async (process, world) => {
    for (const job of jobs) await job(process, world);
  };
}

/** Lets the grace period pass. */
export const wait: Job = (_, { clock }) => clock.advance(GRACE_MS + 1);
