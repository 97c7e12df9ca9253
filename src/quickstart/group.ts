/** The consumer group `delays`: reads part of a region's flights with a stock kafkajs consumer and commits where it stands. */

import type { EachBatchPayload } from "kafkajs";
import { timedOut } from "./errors.ts";
import { FLIGHTS_TOPIC } from "./flights.ts";
import { boundsOf, commitsOf, type PartitionBounds, type RegionAccess, stockClient } from "./region-access.ts";

/** The group whose place has to survive the move. */
export const DELAYS_GROUP = "delays";

const FETCH_WAIT_MS = 50;
const READ_TIMEOUT_MS = 15_000;

/** Reads on from the group's commits up to `share` (0 to 1) of each partition as it is now, and commits exactly there.
 *  Partition 0 is left alone, so that there is one without a commit, as real groups have them.
 *  @throws {QuickstartError} `QUICKSTART_TIMEOUT` */
export async function readShare(access: RegionAccess, share: number, topic = FLIGHTS_TOPIC): Promise<void> {
  const kafka = stockClient(access);
  const bounds = await boundsOf(kafka, topic);
  const commits = await commitsOf(kafka, DELAYS_GROUP, topic);
  const goals = new Map(
    bounds.filter(({ partition }) => partition !== 0).map((one) => [one.partition, goal(one, share)]),
  );
  const open = new Set([...goals].filter(([p, next]) => next > (commits.get(p) ?? 0n)).map(([p]) => p));
  if (open.size === 0) return;
  const consumer = kafka.consumer({ groupId: DELAYS_GROUP, maxWaitTimeInMs: FETCH_WAIT_MS });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wanted = open.size;
    const overdue = setTimeout(() => {
      const what = `group ${DELAYS_GROUP} reading its share of ${access.region}`;
      const done = wanted - open.size;
      reject(timedOut({ what, done, wanted, timeoutMs: READ_TIMEOUT_MS }));
    }, READ_TIMEOUT_MS);
    consumer.on("consumer.crash", ({ payload }) => reject(payload.error));
    const eachBatch = async ({ batch, resolveOffset }: EachBatchPayload): Promise<void> => {
      const next = goals.get(batch.partition);
      if (next === undefined || BigInt(batch.lastOffset()) + 1n < next) return resolveOffset(batch.lastOffset());
      open.delete(batch.partition);
      consumer.pause([{ topic, partitions: [batch.partition] }]);
      if (open.size === 0) resolve();
    };
    consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch }).catch(reject);
    await promise.finally(() => clearTimeout(overdue));
    const offsets = [...goals].map(([partition, next]) => ({ partition, offset: String(next) }));
    await consumer.commitOffsets(offsets.map((one) => ({ topic, ...one })));
  } finally {
    await consumer.disconnect();
  }
}

/** Partition 1 is read to its end; the others stop within a batch. */
function goal({ partition, startOffset, endOffset }: PartitionBounds, share: number): bigint {
  if (partition === 1) return endOffset;
  return startOffset + BigInt(Math.floor(Number(endOffset - startOffset) * share));
}
