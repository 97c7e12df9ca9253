/** ListOffsets v1-11: the end, the start, the local start, the greatest timestamp, or the first record from a time on. */

import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { listOffsets } from "../../wire/apis/02-list-offsets.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import type { Partition } from "../partition.ts";
import { checkLeaderEpoch, checkLeads, requestedPartition, requestedTopic } from "../partition-lookup.ts";

type Asked = RequestOutput<typeof listOffsets>["topics"][number]["partitions"][number];
type Answer = ResponseInput<typeof listOffsets>["topics"][number]["partitions"][number];

const LATEST = -1n;
const EARLIEST = -2n;
const MAX_TIMESTAMP = -3n;
const EARLIEST_LOCAL = -4n;
const LATEST_TIERED = -5n;
const EARLIEST_PENDING_UPLOAD = -6n;
const READ_COMMITTED = 1;
const FIRST_VERSION_WITH_EPOCH = 4;
/** First version that knows each special number; other negative ones are no timestamps. */
const SPECIAL_SINCE: ReadonlyMap<bigint, number> = new Map([
  [LATEST, 0],
  [EARLIEST, 0],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
]);
const NOTHING = { timestampMs: -1n, offset: -1n, leaderEpoch: -1 };

export const listOffsetsHandler = defineHandler(listOffsets, async (request, context) => {
  const scope = { context, isolationLevel: request.isolationLevel };
  const topics = request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(partitions.map((asked) => answer(name, asked, scope))),
  }));
  return { throttleMs: 0, topics: await Promise.all(topics) };
});

interface Scope {
  readonly context: RequestContext;
  readonly isolationLevel: number;
}

async function answer(name: string, asked: Asked, scope: Scope): Promise<Answer> {
  const { context, isolationLevel } = scope;
  const { index } = asked;
  try {
    const isKnown = asked.timestampMs >= 0n || context.apiVersion >= (SPECIAL_SINCE.get(asked.timestampMs) ?? Infinity);
    if (!isKnown) throw refusal(ErrorCode.UNSUPPORTED_VERSION);
    const partition = requestedPartition(requestedTopic(context.cluster, { name }), index);
    checkLeads(partition, context.brokerId);
    checkLeaderEpoch(partition, asked.currentLeaderEpoch);
    const cold = await coldRecord(partition, asked.timestampMs, context);
    const { leaderEpoch, ...rest } = cold ?? found(partition, asked.timestampMs, isolationLevel);
    const withEpoch = context.apiVersion >= FIRST_VERSION_WITH_EPOCH ? { leaderEpoch } : {};
    return { index, errorCode: ErrorCode.NONE, ...rest, ...withEpoch };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { index, errorCode: error.errorCode, ...NOTHING };
  }
}

/** The first record from a time on, where offsets that only the cold store still has come first. Whatever is in the store
 *  is below the last stable offset. */
async function coldRecord(partition: Partition, timestampMs: bigint, context: RequestContext) {
  const { topic, topicId, index, log } = partition;
  if (timestampMs < 0n || log.startOffset >= log.localStartOffset) return undefined;
  const lookup = { topic, topicId, partition: index, timestampMs, startOffset: log.startOffset };
  try {
    return await context.coldStore?.offsetForTimestamp(lookup);
  } catch (error) {
    context.logger.warn("cold lookup failed", { topic, partition: index, cause: String(error) });
    throw refusal(ErrorCode.KAFKA_STORAGE_ERROR);
  }
}

function found(
  partition: Partition,
  timestampMs: bigint,
  isolationLevel: number,
): { readonly timestampMs: bigint; readonly offset: bigint; readonly leaderEpoch: number } {
  const { log } = partition;
  const end = isolationLevel === READ_COMMITTED ? partition.lastStableOffset : partition.highWatermark;
  switch (timestampMs) {
    case LATEST:
      return { timestampMs: -1n, offset: end, leaderEpoch: partition.leaderEpoch };
    case EARLIEST:
      return { timestampMs: -1n, offset: log.startOffset, leaderEpoch: epochAt(partition, log.startOffset) };
    case EARLIEST_LOCAL:
      return { timestampMs: -1n, offset: log.localStartOffset, leaderEpoch: epochAt(partition, log.localStartOffset) };
    case LATEST_TIERED: {
      const last = log.localStartOffset - 1n;
      return last < log.startOffset
        ? NOTHING
        : { timestampMs: -1n, offset: last, leaderEpoch: epochAt(partition, last) };
    }
    case EARLIEST_PENDING_UPLOAD:
      return { timestampMs: -1n, offset: log.localStartOffset, leaderEpoch: epochAt(partition, log.localStartOffset) };
    default: {
      const record = timestampMs === MAX_TIMESTAMP ? log.maxTimestampOffset() : log.offsetForTimestamp(timestampMs);
      // What is not committed yet might still be cut off, so it is not told.
      return record === undefined || record.offset >= end ? NOTHING : record;
    }
  }
}

function epochAt(partition: Partition, offset: bigint): number {
  return partition.log.epochs.findLast((entry) => entry.startOffset <= offset)?.epoch ?? partition.leaderEpoch;
}
