/** A cluster to be archived as any Kafka is, through its listeners, and independent looks at cluster and archive. */

import assert from "node:assert/strict";
import { KafkaSegments, type KafkaSegmentsOptions } from "../../src/adapters/kafka-segments.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import type { KafkaClient } from "../../src/client/kafka-client.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import type { Storage } from "../../src/core/storage.ts";
import { readHead } from "../../src/tier/archive.ts";
import type { Manifest } from "../../src/tier/manifest.ts";
import { type OffloadReport, offloadOnce } from "../../src/tier/offload.ts";
import type { ArchivedPartition, ObjectStore } from "../../src/tier/ports.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import { seededRandom } from "../support/seeded-random.ts";

const EVERYTHING = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;

/** A source of segments over the client's cluster. */
export function segmentsOf(
  client: KafkaClient,
  storage: Storage,
  options: Partial<KafkaSegmentsOptions> = {},
): KafkaSegments {
  return new KafkaSegments(
    {
      wanted: () => true,
      spoolDirectory: "spool",
      spoolBytesMax: 2 ** 30,
      segmentBytesMax: 2 ** 28,
      openMs: 3_600_000,
      onGap: "record",
      ...options,
    },
    { client, storage, clock: nodeClock(), pace: async () => {} },
  );
}

/** Passes until nothing moves any more. @throws the first failure of a pass */
export async function offloadAll(source: KafkaSegments, store: ObjectStore, seed = 1): Promise<OffloadReport> {
  const random = seededRandom(seed);
  const total = { segmentsOffloaded: 0, bytesOffloaded: 0, segmentsDropped: 0 };
  for (;;) {
    const report = await offloadOnce(EVERYTHING, () => true, { source, store, clock: nodeClock(), random });
    total.segmentsOffloaded += report.segmentsOffloaded;
    total.bytesOffloaded += report.bytesOffloaded;
    total.segmentsDropped += report.segmentsDropped;
    if (report.segmentsOffloaded === 0) return total;
  }
}

/** Everything that the cluster gives a reader of committed data, as bytes, from an offset on. */
export async function clusterBytes(client: KafkaClient, topic: string, index: number, from = 0n): Promise<Buffer> {
  client.metadata.track([topic]);
  await client.metadata.refresh("read");
  const parts: Buffer[] = [];
  for (let next = from; ; ) {
    const at = { topic, topicId: ZERO_UUID, index, fetchOffset: next, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
    const [fetched] = await fetchFrom(client, client.metadata.leaderOf(topic, index)?.leaderId ?? -1, {
      partitions: [{ ...at, maxBytes: 1 << 22 }],
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1 << 22,
      isolation: "read_committed",
    });
    assert.equal(fetched?.errorCode, 0);
    const before = next;
    for (const batch of batchesIn(fetched?.records ?? Buffer.alloc(0))) {
      if (batch.nextOffset <= next) continue;
      parts.push(Buffer.from(batch.bytes));
      next = batch.nextOffset;
    }
    if (next === before) return Buffer.concat(parts);
  }
}

/** The newest manifest of a partition. */
export async function manifestOf(store: ObjectStore, partition: ArchivedPartition): Promise<Manifest | undefined> {
  return (await readHead(store, partition))?.manifest;
}

/** The data of all archived segments, one behind the other. */
export async function archivedBytes(store: ObjectStore, manifest: Manifest | undefined): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { key } of manifest?.segments ?? []) parts.push(await store.get(`${key}.log`));
  return Buffer.concat(parts);
}
