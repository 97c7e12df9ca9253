/** The part of a fetch that asks the cold store, with a limit to how long a client waits for it. */

import type { Clock } from "../core/clock.ts";
import { TributaryError } from "../core/errors.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { batchesIn } from "../wire/record-batch.ts";
import type { AbortedTransaction } from "../wire/segment/transaction-index.ts";
import type { RequestContext } from "./handler.ts";
import type { Partition } from "./partition.ts";
import type { ColdBatches } from "./ports.ts";

/** A fetch is answered without records after this time, and the client asks again while the store goes on: clients give a
 *  request 30 s as a rule, and Kafka itself answers after `remote.fetch.max.wait.ms`, half a second. */
const COLD_WAIT_MS_MAX = 5_000;

/** What to read. */
export interface ColdFetch {
  readonly partition: Partition;
  readonly offset: bigint;
  /** What the reader may not see yet begins here: a served archive may hold transactions that it does not decide. */
  readonly endOffset: bigint;
  readonly maxBytes: number;
  readonly isCommittedOnly: boolean;
}

/** The fields of a partition's answer; a code when nothing can be read, nothing to add when the store takes too long. */
export type ColdAnswer =
  | { readonly records: Buffer; readonly abortedTransactions: readonly AbortedTransaction[] | null }
  | Readonly<Record<string, never>>
  | number;

/** Never rejects for an operating error. */
export async function readCold(fetch: ColdFetch, context: RequestContext): Promise<ColdAnswer> {
  const { partition, offset, endOffset, maxBytes, isCommittedOnly } = fetch;
  const { topic, topicId, index } = partition;
  const { coldStore } = context;
  if (coldStore === undefined) return ErrorCode.OFFSET_OUT_OF_RANGE;
  try {
    const request = { topic, topicId, partition: index, offset, endOffset, maxBytes, isCommittedOnly };
    const reading = coldStore.read(request, context.signal);
    const read = await inTime(reading, { clock: context.clock, waitMs: COLD_WAIT_MS_MAX });
    if (read === "late") return {};
    if (read === undefined) return lost(fetch, context);
    const records = below(endOffset, read.records);
    return { records, abortedTransactions: isCommittedOnly ? allAborted(fetch, { ...read, records }) : null };
  } catch (error) {
    // Nobody hears of it any more.
    if (context.signal.aborted) return {};
    if (!(error instanceof TributaryError)) throw error;
    context.logger.error("could not read from the cold store", { topic, partition: index, error: error.message });
    return ErrorCode.KAFKA_STORAGE_ERROR;
  }
}

/** The batches that end there or before. */
function below(endOffset: bigint, records: Buffer): Buffer {
  let sizeBytes = 0;
  for (const batch of batchesIn(records)) {
    if (batch.nextOffset > endOffset) break;
    sizeBytes += batch.sizeBytes;
  }
  return records.subarray(0, sizeBytes);
}

/** What went from the disk was in the store, and retention raises the log's start: if nothing is there, then an archive lost its
 *  end. Readers wait for it to be put back: told "out of range" they would go on elsewhere and never read those records. */
function lost({ partition, offset }: ColdFetch, { logger }: RequestContext): number {
  const { topic, index } = partition;
  logger.error("the cold store lacks records that are nowhere else", { topic, partition: index, offset });
  return ErrorCode.KAFKA_STORAGE_ERROR;
}

/** What the store answers, or "late" after `waitMs`; what it answers then only fills its caches. */
export function inTime<T>(
  answer: Promise<T>,
  { clock, waitMs }: { readonly clock: Clock; readonly waitMs: number },
): Promise<T | "late"> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(waitMs, () => resolve("late"));
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** The store's and the log's, which has those that end in local segments, and as a rule those of segments it let go. */
function allAborted({ partition, offset }: ColdFetch, { records, abortedTransactions }: ColdBatches) {
  let endOffset = offset;
  for (const batch of batchesIn(records)) endOffset = batch.nextOffset;
  const known = new Set(abortedTransactions.map(({ producerId, firstOffset }) => `${producerId} ${firstOffset}`));
  const local = partition.log.abortedTransactions({ fromOffset: offset, endOffset });
  return [
    ...abortedTransactions,
    ...local.filter(({ producerId, firstOffset }) => !known.has(`${producerId} ${firstOffset}`)),
  ];
}
