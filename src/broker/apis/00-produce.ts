/** Produce v3-13: appends one batch per partition. v0-2 are listed and refused, as Kafka 4 does. Before the first batch of a
 *  transaction in a partition its coordinator is asked, or told (v12). */

import type { Uuid } from "../../core/brand.ts";
import { StorageError } from "../../core/storage.ts";
import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { produce } from "../../wire/apis/00-produce.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { BatchView } from "../../wire/record-batch.ts";
import { RecordsRefusal, Refusal, refusal } from "../errors.ts";
import { type Answer, defineHandler, type RequestContext } from "../handler.ts";
import { onlyBatch } from "../log/validate.ts";
import type { Appended, Partition } from "../partition.ts";
import { checkLeads, requestedPartition, requestedTopic, WrongLeader } from "../partition-lookup.ts";
import { checkTransactional, type ProduceCheck } from "../transactions/produce-check.ts";

type Request = RequestOutput<typeof produce>;
type Response = ResponseInput<typeof produce>;
type PartitionAnswer = Response["topics"][number]["partitions"][number];
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const ZSTD = 4;
const ZSTD_VERSION_MIN = 7;

/** Refusals of the log itself, after which Kafka tells no log start (`ReplicaManager.appendRecordsToLeader`). */
const WITHOUT_LOG_START: ReadonlySet<number> = new Set([
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.CORRUPT_MESSAGE,
]);

/** Appended, but not yet on all in-sync replicas. */
interface Waiting {
  readonly partition: Partition;
  readonly appended: Appended;
  readonly answer: Mutable<PartitionAnswer>;
}

export const produceHandler = defineHandler(
  produce,
  (request, context) => {
    const { transactionalId } = request;
    if (transactionalId === null) return answered(request, context, NONE_CHECKED);
    const checked = checkTransactional({ ...request, transactionalId }, context);
    return checked instanceof Promise
      ? checked.then((check) => answered(request, context, check))
      : answered(request, context, checked);
  },
  { advertisedMin: 0 },
);

const NONE_CHECKED: ProduceCheck = new Map();

/** Appends what may be appended; `check` is a code when nothing may. */
function answered(request: Request, context: RequestContext, check: ProduceCheck | number): Answer<Response> {
  const waiting: Waiting[] = [];
  const topics = request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ index, records }) =>
      appended({ name, topicId, index, records }, { request, context, check, waiting }),
    ),
  }));
  if (request.acks === 0) {
    const isRefused = topics.some((topic) => topic.partitions.some((partition) => partition.errorCode !== 0));
    return isRefused ? "close-connection" : "no-response";
  }
  const response: Response = { topics, throttleMs: 0 };
  return waiting.length === 0 ? response : whenReplicated(response, { request, context, waiting });
}

interface Scope {
  readonly request: Request;
  readonly context: RequestContext;
  readonly check: ProduceCheck | number;
  readonly waiting: Waiting[];
}

interface Item {
  readonly name: string;
  readonly topicId: Uuid;
  readonly index: number;
  readonly records: Buffer | null;
}

function appended(item: Item, { request, context, check, waiting }: Scope): PartitionAnswer {
  const { index } = item;
  let appendingTo: Partition | undefined;
  try {
    const partition = requestedPartition(requestedTopic(context.cluster, item), index);
    const { acks } = request;
    if (acks !== 0 && acks !== 1 && acks !== -1) throw refusal(ErrorCode.INVALID_REQUIRED_ACKS);
    checkLeads(partition, context.brokerId);
    checkRequestRules(item.records, { request, context });
    const errorCode = typeof check === "number" ? check : check.get(partition);
    if (errorCode !== undefined && errorCode !== ErrorCode.NONE) throw refusal(errorCode);
    appendingTo = partition;
    const result = partition.append(item.records, { acks, isVerified: errorCode !== undefined });
    const answer: Mutable<PartitionAnswer> = {
      index,
      errorCode: ErrorCode.NONE,
      baseOffset: result.baseOffset,
      logAppendTimeMs: result.logAppendTimeMs,
      logStartOffset: partition.log.startOffset,
    };
    if (acks === -1) {
      if (partition.highWatermark < result.nextOffset) waiting.push({ partition, appended: result, answer });
      else answer.errorCode = replicationCode(partition);
    }
    return answer;
  } catch (error) {
    return refused(index, error, { context, appendingTo });
  }
}

/** What depends on the request rather than on the partition: one batch, a transactional id, and the version that brought zstd (KIP-110). */
function checkRequestRules(records: Buffer | null, { request, context }: Pick<Scope, "request" | "context">): void {
  const batch = onlyBatch(records);
  if (!(batch instanceof BatchView)) throw new RecordsRefusal(batch);
  if (batch.codec === ZSTD && context.apiVersion < ZSTD_VERSION_MIN)
    throw refusal(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce version 7");
  if (batch.isTransactional && request.transactionalId === null)
    throw refusal(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
}

function refused(
  index: number,
  error: unknown,
  { context, appendingTo }: { readonly context: RequestContext; readonly appendingTo: Partition | undefined },
): PartitionAnswer {
  const base = { index, baseOffset: -1n, logAppendTimeMs: -1n, logStartOffset: -1n };
  if (error instanceof WrongLeader) {
    const { errorCode, leaderId, leaderEpoch } = error;
    return { ...base, errorCode, currentLeader: { leaderId, leaderEpoch } };
  }
  if (error instanceof Refusal) {
    const { errorCode, reason: errorMessage } = error;
    const hidesStart = appendingTo === undefined || WITHOUT_LOG_START.has(errorCode);
    const recordErrors =
      error instanceof RecordsRefusal
        ? error.recordErrors.map(({ index: batchIndex, message }) => ({ batchIndex, message }))
        : [];
    const logStartOffset = hidesStart ? -1n : appendingTo.log.startOffset;
    return { ...base, errorCode, errorMessage, recordErrors, logStartOffset };
  }
  if (!(error instanceof StorageError)) throw error;
  context.logger.error("could not append", { error: error.message });
  return { ...base, errorCode: ErrorCode.KAFKA_STORAGE_ERROR, errorMessage: error.message };
}

/** The in-sync set may have shrunk below the minimum while the batch was on its way. */
function replicationCode(partition: Partition): number {
  return partition.isUnderMinIsr ? ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND : ErrorCode.NONE;
}

/** Resolves when every waiting batch is committed, failed, or out of time; an outcome that stays open says so. */
function whenReplicated(response: Response, { request, context, waiting }: Omit<Scope, "check">): Promise<Response> {
  return new Promise((resolve) => {
    let left = waiting.length;
    const cancels: (() => void)[] = [];
    const finish = (): void => {
      timer.cancel();
      context.signal.removeEventListener("abort", finish);
      for (const cancel of cancels) cancel();
      resolve(response);
    };
    const timer = context.clock.after(Math.max(0, request.timeoutMs), finish);
    context.signal.addEventListener("abort", finish, { once: true });
    for (const { partition, appended, answer } of waiting) {
      answer.errorCode = ErrorCode.REQUEST_TIMED_OUT;
      const cancel = partition.whenCommitted(appended.nextOffset, (outcome) => {
        answer.errorCode = outcome === "committed" ? replicationCode(partition) : ErrorCode.NOT_LEADER_FOR_PARTITION;
        left--;
        if (left === 0) finish();
      });
      cancels.push(cancel);
    }
  });
}
