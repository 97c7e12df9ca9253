/** Copies of archived segments in the cluster that they came from, fetched as they lie in its log. */

import { fetchFrom } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { Storage, StorageFile } from "../core/storage.ts";
import type { ArchivedSegment } from "../tier/manifest.ts";
import type { ArchivedPartition } from "../tier/ports.ts";
import type { SegmentCopies, SegmentCopy } from "../tier/repair.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { batchesIn } from "../wire/record-batch.ts";

/** Asked for at once; a batch that is larger comes whole. */
const FETCH_BYTES = 4 * 1024 * 1024;

/** Name of the file that a segment is fetched into. */
const FILE = "segment-copy.log";

/** What it stands on. */
export interface KafkaCopiesDeps {
  readonly client: KafkaClient;
  /** For people: the region's name. */
  readonly region: string;
  readonly storage: Storage;
  /** Where a fetched segment is kept while it is looked at; one at a time. */
  readonly directory: string;
}

/** The cluster's own log, as far as it still reaches. What it serves is believed only after its SHA-256 was compared: an embedded
 *  region reads what is not local any more from the very archive that is damaged. */
export function kafkaSegmentCopies(deps: KafkaCopiesDeps): SegmentCopies {
  return { copiesOf: (partition, segment) => copiesIn(partition, segment, deps) };
}

async function* copiesIn(
  partition: ArchivedPartition,
  segment: ArchivedSegment,
  deps: KafkaCopiesDeps,
): AsyncGenerator<SegmentCopy, void, undefined> {
  const { storage, directory, region } = deps;
  storage.makeDirectory(directory);
  const path = `${directory}/${FILE}`;
  storage.remove(path);
  const file = storage.open(path, { create: true });
  try {
    if (!(await fetchInto(file, partition, segment, deps.client))) return;
    const read = (start: number, endExclusive: number) => file.read(start, endExclusive - start);
    yield { from: `region ${region}`, log: { sizeBytes: file.sizeBytes, read }, indexes: async () => ({}) };
  } finally {
    file.close();
    storage.remove(path);
  }
}

/** False when the cluster does not have the offsets, or has a topic of another id under the name. */
async function fetchInto(
  file: StorageFile,
  { topic, topicId, partition }: ArchivedPartition,
  segment: ArchivedSegment,
  client: KafkaClient,
): Promise<boolean> {
  await client.metadata.refresh("repair", { all: true });
  if (client.metadata.topic(topic)?.topicId !== topicId) return false;
  for (let next = segment.baseOffset; next <= segment.lastOffset && file.sizeBytes < segment.logBytes; ) {
    const leaderId = client.metadata.leaderOf(topic, partition)?.leaderId ?? -1;
    if (leaderId < 0) return false;
    const place = { topic, topicId, index: partition, fetchOffset: next, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
    const [fetched] = await fetchFrom(client, leaderId, {
      partitions: [{ ...place, maxBytes: FETCH_BYTES }],
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolation: "read_uncommitted",
    });
    if (fetched === undefined || fetched.errorCode !== ErrorCode.NONE) return false;
    const before = next;
    for (const batch of batchesIn(fetched.records)) {
      if (batch.baseOffset < next || batch.lastOffset > segment.lastOffset) break;
      file.append([batch.bytes]);
      next = batch.nextOffset;
    }
    fetched.release();
    if (next === before) return false;
  }
  return true;
}
