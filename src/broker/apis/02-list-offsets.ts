/** ListOffsets v1-11: the end, the start, the local start, the greatest timestamp, or the first record from a time on. */

import { TributaryError } from "../../core/errors.ts";
import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { listOffsets } from "../../wire/apis/02-list-offsets.ts";
import { ISOLATION_LEVELS } from "../../wire/apis/isolation-levels.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { inTime } from "../cold-fetch.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { lowerOffset } from "../offset-order.ts";
import type { Partition } from "../partition.ts";
import { checkLeaderEpoch, checkLeads, requestedPartition, requestedTopic } from "../partition-lookup.ts";
import type { ColdRange, ColdRecord, ColdStore } from "../ports.ts";

type Asked = RequestOutput<typeof listOffsets>["topics"][number]["partitions"][number];
type Answer = ResponseInput<typeof listOffsets>["topics"][number]["partitions"][number];

const LATEST = -1n;
const EARLIEST = -2n;
const MAX_TIMESTAMP = -3n;
const EARLIEST_LOCAL = -4n;
const LATEST_TIERED = -5n;
const EARLIEST_PENDING_UPLOAD = -6n;
/** Then the client hears that it took too long, and asks again (KIP-1075). Below the 30 s that clients give a request. */
const COLD_WAIT_MS_MAX = 15_000;
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
  const { context } = scope;
  const { index } = asked;
  try {
    const isKnown = asked.timestampMs >= 0n || context.apiVersion >= (SPECIAL_SINCE.get(asked.timestampMs) ?? Infinity);
    if (!isKnown) throw refusal(ErrorCode.UNSUPPORTED_VERSION);
    const partition = requestedPartition(requestedTopic(context.cluster, { name }), index);
    checkLeads(partition, context.brokerId);
    checkLeaderEpoch(partition, asked.currentLeaderEpoch);
    const { leaderEpoch, ...rest } = await found(partition, asked.timestampMs, scope);
    const withEpoch = context.apiVersion >= FIRST_VERSION_WITH_EPOCH ? { leaderEpoch } : {};
    return { index, errorCode: ErrorCode.NONE, ...rest, ...withEpoch };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { index, errorCode: error.errorCode, ...NOTHING };
  }
}

type Found = { readonly timestampMs: bigint; readonly offset: bigint; readonly leaderEpoch: number };

/** Local records follow those that only the cold store has. */
async function found(partition: Partition, timestampMs: bigint, scope: Scope): Promise<Found> {
  const { log } = partition;
  switch (timestampMs) {
    case LATEST:
      return { timestampMs: -1n, offset: readableTo(partition, scope), leaderEpoch: partition.leaderEpoch };
    case EARLIEST:
      return at(partition, log.startOffset);
    case EARLIEST_LOCAL:
      return at(partition, log.localStartOffset);
    case LATEST_TIERED: {
      const end = await tieredTo(partition, scope);
      return end === undefined ? NOTHING : at(partition, end - 1n);
    }
    case EARLIEST_PENDING_UPLOAD:
      return at(partition, (await tieredTo(partition, scope)) ?? log.startOffset);
    case MAX_TIMESTAMP: {
      const local = readable(log.maxTimestampOffset(), partition, scope);
      const cold = await coldRecord(partition, scope, (store, range, signal) => store.latestRecord(range, signal));
      if (cold === undefined) return local ?? NOTHING;
      return local !== undefined && local.timestampMs > cold.timestampMs ? local : cold;
    }
    default: {
      const cold = await coldRecord(partition, scope, (store, range, signal) =>
        store.offsetForTimestamp(range, timestampMs, signal),
      );
      return cold ?? readable(log.offsetForTimestamp(timestampMs), partition, scope) ?? NOTHING;
    }
  }
}

function at(partition: Partition, offset: bigint): Found {
  return { timestampMs: -1n, offset, leaderEpoch: epochAt(partition, offset) };
}

function readableTo(partition: Partition, { isolationLevel }: Scope): bigint {
  return isolationLevel === ISOLATION_LEVELS.read_committed ? partition.lastStableOffset : partition.highWatermark;
}

/** What is not committed yet might still be cut off, so it is not told. */
function readable(record: Found | undefined, partition: Partition, scope: Scope): Found | undefined {
  return record === undefined || record.offset >= readableTo(partition, scope) ? undefined : record;
}

/** The offset after everything tiered, local or not (KIP-1005); undefined when nothing of the log is. */
async function tieredTo({ topic, topicId, index, log }: Partition, { context }: Scope): Promise<bigint | undefined> {
  const { coldStore } = context;
  if (coldStore === undefined) return undefined;
  const end = await asked({ topic, index }, context, coldStore.endOffset({ topic, topicId, partition: index }));
  return end === undefined || end <= log.startOffset ? undefined : end;
}

/** Asks the store for a record among offsets that are no longer local. */
async function coldRecord(
  partition: Partition,
  scope: Scope,
  ask: (store: ColdStore, range: ColdRange, signal: AbortSignal) => Promise<ColdRecord | undefined>,
): Promise<ColdRecord | undefined> {
  const { topic, topicId, index, log } = partition;
  const { context } = scope;
  const { startOffset, localStartOffset } = log;
  const endOffset = lowerOffset(localStartOffset, readableTo(partition, scope));
  const { coldStore } = context;
  if (coldStore === undefined || startOffset >= endOffset) return undefined;
  const range = { topic, topicId, partition: index, startOffset, endOffset };
  return asked({ topic, index }, context, ask(coldStore, range, context.signal));
}

async function asked<T>(
  { topic, index }: { readonly topic: string; readonly index: number },
  { logger, clock, signal }: RequestContext,
  answer: Promise<T>,
): Promise<T> {
  try {
    const known = await inTime(answer, { clock, waitMs: COLD_WAIT_MS_MAX });
    if (known === "late") throw refusal(ErrorCode.REQUEST_TIMED_OUT);
    return known;
  } catch (error) {
    // Nobody hears of it any more.
    if (signal.aborted) throw refusal(ErrorCode.REQUEST_TIMED_OUT);
    if (error instanceof Refusal || !(error instanceof TributaryError)) throw error;
    logger.warn("cold lookup failed", { topic, partition: index, cause: error.message });
    throw refusal(ErrorCode.KAFKA_STORAGE_ERROR);
  }
}

function epochAt(partition: Partition, offset: bigint): number {
  return partition.log.epochs.findLast((entry) => entry.startOffset <= offset)?.epoch ?? partition.leaderEpoch;
}
