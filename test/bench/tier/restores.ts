/** Archives back into a region: our own restore, and the plainest way to bring the same bytes there. */

import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { createTopics, deleteTopics } from "../../../src/client/admin.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { produceTo } from "../../../src/client/produce.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { prepareRestore, runRestore } from "../../../src/runtime/restore/restore.ts";
import { RestoreTarget } from "../../../src/runtime/restore/restore-target.ts";
import type { ObjectStore } from "../../../src/tier/ports.ts";
import { batchesIn, stampBatch } from "../../../src/wire/record-batch.ts";
import type { Contender, Place } from "./contenders.ts";
import { partitionOfRound, type SegmentFile } from "./segments.ts";

/** Produce requests under way at once: as many as an idempotent producer may have. */
const PRODUCES_MAX = 5;
/** Clients send batches at offset 0. */
const NO_PRODUCER = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };
const RANGE_BYTES = 4 * 1024 * 1024;

/** Bytes of one segment. */
export type ReadRange = (segment: number, start: number, endExclusive: number) => Promise<Uint8Array>;

/** What comes back: a restore is slower than everything else here, and the rate does not depend on how long it takes. */
function restored(segments: readonly SegmentFile[]): readonly SegmentFile[] {
  return segments.slice(0, Math.ceil(segments.length / 2));
}

function bytesOf(segments: readonly SegmentFile[]): number {
  return segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function openClient({ bootstrap }: Place): Promise<KafkaClient> {
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  return KafkaClient.open({ bootstrap: [...bootstrap], clientId: "bench-tier" }, deps);
}

/** As `tier restore` does it. */
export async function restore(place: Place, store: ObjectStore): Promise<Contender> {
  const client = await openClient(place);
  const back = restored(place.segments);
  const until = { offset: back.at(-1)?.nextOffset ?? 0n };
  return async (round) => {
    const { topic } = partitionOfRound(round);
    const targetName = (name: string): string => `${name}-restored-${place.kind}`;
    await using to = new RestoreTarget({ client, clock: nodeClock(), random: nodeRandom(), logger: silentLogger });
    const options = { topics: (name: string) => name === topic, until, groups: false, targetName };
    const prepared = await prepareRestore(options, { store, to });
    const watch = { signal: new AbortController().signal, onProgress: () => {} };
    const { partitions } = await runRestore(prepared, {}, { store, to, watch });
    if (partitions[0]?.result.recordsWritten !== until.offset) throw new Error("not every record was restored");
    return { bytes: bytesOf(back), tidy: () => remove(client, targetName(topic)) };
  };
}

/** Reads ranges one ahead and produces their batches, a few at a time: no check, no repeat, nothing to go on from. */
export async function plainRestore(place: Place, read: ReadRange): Promise<Contender> {
  const client = await openClient(place);
  const back = restored(place.segments);
  return async (round) => {
    const topic = `plain-${place.kind}-${round}`;
    await createTopics(client, [{ name: topic, partitions: 1, replicationFactor: 1 }]);
    const leader = client.metadata.leaderOf(topic, 0)?.leaderId ?? -1;
    const produce = async (records: Uint8Array): Promise<void> => {
      const partitions = [{ topic, topicId: ZERO_UUID, index: 0, records }];
      const [outcome] = await produceTo(client, leader, { partitions, acks: -1 });
      if (outcome?.errorCode !== 0) throw new Error(`produce failed with ${outcome?.errorCode}`);
    };
    for (const [at, segment] of back.entries())
      await produceSegment(segment, (...range) => read(at, ...range), produce);
    return { bytes: bytesOf(back), tidy: () => remove(client, topic) };
  };
}

async function produceSegment(
  { sizeBytes }: SegmentFile,
  read: (start: number, endExclusive: number) => Promise<Uint8Array>,
  produce: (records: Uint8Array) => Promise<void>,
): Promise<void> {
  const next = (start: number): Promise<Uint8Array> | undefined =>
    start < sizeBytes ? read(start, Math.min(sizeBytes, start + RANGE_BYTES)) : undefined;
  const underWay: Promise<void>[] = [];
  let carry = Buffer.alloc(0);
  let ahead = next(0);
  for (let at = RANGE_BYTES; ahead !== undefined; at += RANGE_BYTES) {
    const bytes = Buffer.concat([carry, await ahead]);
    ahead = next(at);
    let usedBytes = 0;
    for (const batch of batchesIn(bytes)) {
      if (underWay.length === PRODUCES_MAX) await underWay.shift();
      stampBatch(batch, NO_PRODUCER);
      underWay.push(produce(batch.bytes));
      usedBytes += batch.sizeBytes;
    }
    carry = bytes.subarray(usedBytes);
  }
  await Promise.all(underWay);
}

async function remove(client: KafkaClient, topic: string): Promise<void> {
  await deleteTopics(client, [topic]);
}
