/** What processes do with the archive of a Kafka topic, each from its start to its end. */

import { kafkaGroupsView } from "../../../../src/adapters/kafka-capture.ts";
import { deleteLocally, plannedDeletions } from "../../../../src/adapters/kafka-local-deletion.ts";
import { kafkaSegmentCopies } from "../../../../src/adapters/kafka-segment-copies.ts";
import { KafkaSegments } from "../../../../src/adapters/kafka-segments.ts";
import { writeSegment } from "../../../../src/adapters/parquet/write-segment.ts";
import { readHead } from "../../../../src/tier/archive.ts";
import { readCatalog } from "../../../../src/tier/catalog.ts";
import { collect } from "../../../../src/tier/gc.ts";
import type { DeletionPolicy } from "../../../../src/tier/local-deletion.ts";
import { decodeManifest, type Manifest } from "../../../../src/tier/manifest.ts";
import { offloadOnce } from "../../../../src/tier/offload.ts";
import { decidingSegments } from "../../../../src/tier/parquet/committed-records.ts";
import type { ArchivedPartition, ObjectStore } from "../../../../src/tier/ports.ts";
import { repairPartition } from "../../../../src/tier/repair.ts";
import { removePartition } from "../../../../src/tier/retention.ts";
import { storeNowMs } from "../../../../src/tier/store-clock.ts";
import { VerifiedCopies } from "../../../../src/tier/verified-copies.ts";
import { GRACE_MS } from "../world.ts";
import { newestOf } from "./invariants.ts";
import type { KafkaProcess, KafkaWorld } from "./world.ts";

/** Work of one process. */
export type KafkaJob = (process: KafkaProcess, world: KafkaWorld) => Promise<void>;

/** Newest archived offsets that stay in the cluster. */
export const MARGIN_RECORDS = 7;

/** Directory of the spools. */
export const SPOOL = "spool";

const SEGMENT_BYTES = 2_000;
const SPOOL_POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;
const POLICY: DeletionPolicy = { olderThanMs: 0, keepLocalBytes: 0, marginRecords: MARGIN_RECORDS, unread: "keep" };

function segmentsSeen({ client, storage, clock }: KafkaProcess, { partition }: KafkaWorld): KafkaSegments {
  return new KafkaSegments(
    {
      wanted: (topic) => topic === partition.topic,
      spoolDirectory: SPOOL,
      spoolBytesMax: 2 ** 20,
      segmentBytesMax: SEGMENT_BYTES,
      openMs: 3_600_000,
      onGap: "record",
    },
    { client, storage, clock, pace: async () => {} },
  );
}

/** Passes of an offloader until nothing moves any more, then the deletion in the cluster. Full segments only, unless it closes all. */
export function offloadKafka(closeAll: boolean): KafkaJob {
  return async (process, world) => {
    const source = segmentsSeen(process, world);
    source.closeAll = closeAll;
    const verified = new VerifiedCopies(process.clock);
    const manifests = new Map<string, Manifest>();
    for (let moved = 1; moved > 0; ) {
      const report = await offloadOnce(SPOOL_POLICY, () => true, {
        ...process,
        source: process.source?.(source) ?? source,
        verified,
        onPartition: ({ partition, manifest }) => {
          if (manifest !== undefined) manifests.set(partition.topicId, manifest);
        },
      });
      moved = report.segmentsOffloaded;
    }
    const manifestOf = ({ topicId }: ArchivedPartition) => manifests.get(topicId);
    const copies = source.seen.flatMap((seen) => {
      const manifest = manifestOf(seen.partition);
      return manifest === undefined ? [] : [{ ...seen, manifest }];
    });
    const groups = kafkaGroupsView(process.client);
    const planned = await plannedDeletions(copies, POLICY, { groups, nowMs: process.clock.nowMs() });
    await deleteLocally(planned, { ...process, verified });
    await source.close();
  };
}

/** One run of gc. */
export const gc: KafkaJob = async ({ store }) => {
  for (const entry of await readCatalog(store))
    await collect(entry, { graceMs: GRACE_MS, dryRun: false }, { store, nowMs: await storeNowMs(store) });
};

/** Takes the topic out of the archive, as `tier rm` does: from the moment of publication on it may be gone. */
export const remove: KafkaJob = async ({ store, clock }, world) => {
  const watched: ObjectStore = {
    ...store,
    putIfAbsent: (key, bytes) => {
      const to = decodeManifest(key, bytes).removed?.nextOffset ?? 0n;
      if (to > world.retiredTo) world.retiredTo = to;
      return store.putIfAbsent(key, bytes);
    },
  };
  await removePartition(world.partition, "command", { store: watched, clock });
};

/** An archived segment that the cluster still has loses a bit, or its index. */
export function damage(what: "log" | "index" | "manifest"): KafkaJob {
  return async (_, world) => {
    const newest = newestOf(world);
    const segment = newest?.manifest.segments.at(-1);
    if (newest === undefined || segment === undefined) throw new Error("nothing is archived");
    const key = what === "manifest" ? newest.key : `${segment.key}.${what}`;
    const bytes = Buffer.from(world.store.objects.get(key) ?? Buffer.alloc(0));
    const at = bytes.length - 10;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    world.store.objects.set(key, bytes);
    world.damaged.set(key, Buffer.from(bytes));
  };
}

/** Mends what is damaged with what the cluster still has. */
export const repairFromCluster: KafkaJob = async ({ client, store, storage, clock, random }) => {
  const copies = [kafkaSegmentCopies({ client, region: "k", storage, directory: "copies" })];
  for (const entry of await readCatalog(store))
    await repairPartition(entry, { dryRun: false }, { store, clock, random, copies });
};

/** Writes all archived segments as Parquet files, into the store or a directory. */
export function toParquet(directory?: string): KafkaJob {
  return async ({ store, storage }, { partition }) => {
    const segments = (await readHead(store, partition))?.manifest.segments ?? [];
    for (const [at, segment] of segments.entries()) {
      const task = { partition, segment, later: decidingSegments(segments, at) };
      await writeSegment(task, { directory, ...PARQUET }, { store, storage });
    }
  };
}

/** The same until all are there. */
export function allParquet(directory?: string): KafkaJob {
  return async (process, world) => {
    await toParquet(directory)(process, world);
    const there = directory === undefined ? await process.store.list("parquet/") : process.storage.list(directory);
    if (there.length === 0) world.violations.push("all segments become Parquet files");
  };
}

/** Where `toParquet` is told to write. */
export const PARQUET_DIRECTORY = "parquet-files";

/** How files are written. */
export const PARQUET = {
  spoolDirectory: "parquet-spool",
  isOverwriting: false,
  options: { isText: false, jsonColumns: [] },
} as const;

/** Somebody deletes the topic in the cluster. */
export const deleteTopic: KafkaJob = async (_, world) => {
  world.isTopicThere = false;
  world.goneBelow = world.cluster.log(world.partition)?.startOffset ?? 0n;
  await world.cluster.removeTopic(world.partition);
};

/** Lets the grace period pass. */
export const wait: KafkaJob = (_, { clock }) => clock.advance(GRACE_MS + 1);

/** One after the other. */
export function inTurn(...jobs: readonly KafkaJob[]): KafkaJob {
  return async (process, world) => {
    for (const job of jobs) await job(process, world);
  };
}
