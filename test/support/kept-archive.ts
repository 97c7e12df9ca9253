/** An archive of one partition beside the region that it came from, which is still a copy of what it has not dropped. */

import assert from "node:assert/strict";
import { embeddedSegments } from "../../src/adapters/embedded-segments.ts";
import { kafkaSegmentCopies } from "../../src/adapters/kafka-segment-copies.ts";
import type { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { type CatalogEntry, readCatalog } from "../../src/tier/catalog.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { type RepairReport, repairPartition } from "../../src/tier/repair.ts";
import { type VerifyReport, verifyPartition } from "../../src/tier/verify.ts";
import { connect, openColdWorld, produceAll } from "./cold-region.ts";

/** Where repair keeps what it fetches until it is in the store. */
const COPIES = "/copies";

/** See `openKeptArchive`. */
export interface KeptArchive extends AsyncDisposable {
  readonly world: Awaited<ReturnType<typeof openColdWorld>>;
  readonly region: EmbeddedRegion;
  /** Archives what is closed; `after-verify` also drops it from the region. */
  offload(deleteLocal: "never" | "after-verify"): Promise<void>;
  /** The partition as the catalog knows it now. */
  entry(): Promise<CatalogEntry>;
  /** What a whole verification finds wrong. */
  findings(): Promise<VerifyReport["findings"]>;
  /** Mends the archive from itself and from the region. */
  repair(): Promise<RepairReport>;
  /** Files that repair left behind. */
  leftCopies(): readonly string[];
}

/** A region with the topic `flights` in it, of which nothing is archived yet; the store is empty before. */
export async function openKeptArchive(store: ObjectStore): Promise<KeptArchive> {
  const world = await openColdWorld(store);
  const region = await world.open();
  const client = await connect(world, region);
  await produceAll(client);
  const copies = [kafkaSegmentCopies({ client, region: "a", storage: world.storage, directory: COPIES })];
  const entry = async () => (await readCatalog(store))[0] ?? assert.fail("no archive");
  return {
    world,
    region,
    entry,
    async offload(deleteLocal) {
      const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal };
      await offloadOnce(policy, () => true, { ...world, source: embeddedSegments(region) });
    },
    findings: async () => (await verifyPartition(await entry(), { share: 1, nowMs: Date.now() }, world)).findings,
    repair: async () => repairPartition(await entry(), { dryRun: false }, { ...world, copies }),
    leftCopies: () => world.storage.list(COPIES),
    async [Symbol.asyncDispose]() {
      await client.close();
      await region.close();
    },
  };
}
