/** The partitions of one fetch request, read once at the start and once more when waiting has ended. */

import { StorageError } from "../core/storage.ts";
import type { RequestOutput, ResponseInput } from "../wire/api.ts";
import type { fetchApi } from "../wire/apis/01-fetch.ts";
import { ISOLATION_LEVELS } from "../wire/apis/isolation-levels.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { readCold } from "./cold-fetch.ts";
import { Refusal, refusal } from "./errors.ts";
import type { RequestContext } from "./handler.ts";
import { lowerOffset } from "./offset-order.ts";
import type { Partition } from "./partition.ts";
import { checkLeaderEpoch, requestedPartition, requestedTopic, WrongLeader, wrongLeader } from "./partition-lookup.ts";

type Request = RequestOutput<typeof fetchApi>;
type RequestTopic = Request["topics"][number];
type RequestPartition = RequestTopic["partitions"][number];
type Response = ResponseInput<typeof fetchApi>;
type PartitionAnswer = Response["topics"][number]["partitions"][number];

/** Bytes of one response, whatever the client asks for (Kafka: `fetch.max.bytes` of the broker). */
const RESPONSE_BYTES_MAX = 57_671_680;
/** First version in which a consumer may read from a replica that does not lead (KIP-392). */
const FOLLOWER_READ_VERSION_MIN = 11;
/** After these Kafka answers an empty list of aborted transactions, after others none (null). */
const UNKNOWN_PARTITION: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
]);
const NO_RECORDS = Buffer.alloc(0);

/** Reads for one request. */
export class FetchPlan {
  readonly #request: Request;
  readonly #context: RequestContext;
  #leftBytes = 0;
  #readBytes = 0;
  #mustAnswer = false;
  #cold: Promise<void>[] = [];

  constructor(request: Request, context: RequestContext) {
    this.#request = request;
    this.#context = context;
  }

  /** True when the last read found enough bytes, or something that the client should hear of at once. */
  get isEnough(): boolean {
    return this.#mustAnswer || this.#readBytes >= this.#request.minBytes;
  }
  /** Bytes of the last read. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** The client reads no further than the last stable offsets. */
  get isCommittedOnly(): boolean {
    return this.#request.isolationLevel === ISOLATION_LEVELS.read_committed;
  }

  /** Partitions whose progress may complete the request. */
  partitions(): readonly Partition[] {
    return this.#request.topics.flatMap((item) => {
      const topic = item.topicId
        ? (this.#context.cluster.topicById(item.topicId) ?? this.#context.cluster.topic(item.name))
        : undefined;
      return item.partitions.flatMap(({ index }) => topic?.partitions[index] ?? []);
    });
  }

  /** Reads every partition in the order of the request; a promise only when the cold store has to be asked. */
  read(): Response | Promise<Response> {
    this.#leftBytes = Math.min(this.#request.maxBytes, RESPONSE_BYTES_MAX);
    this.#readBytes = 0;
    this.#mustAnswer = false;
    this.#cold = [];
    const topics = this.#request.topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitions.map((partition) => this.#answer(topic, partition)),
    }));
    const response: Response = { throttleMs: 0, errorCode: ErrorCode.NONE, sessionId: 0, topics };
    return this.#cold.length === 0 ? response : Promise.all(this.#cold).then(() => response);
  }

  #answer(topic: RequestTopic, asked: RequestPartition): PartitionAnswer {
    try {
      const partition = requestedPartition(requestedTopic(this.#context.cluster, topic), asked.index);
      return this.#readPartition(partition, asked);
    } catch (error) {
      this.#mustAnswer = true;
      return refused(asked.index, error, this.#context);
    }
  }

  #readPartition(partition: Partition, asked: RequestPartition): PartitionAnswer {
    const { log } = partition;
    const readableTo = this.#readableTo(partition);
    checkLeaderEpoch(partition, asked.currentLeaderEpoch);
    const diverged = divergingEpoch(partition, asked);
    const base = {
      index: asked.index,
      errorCode: ErrorCode.NONE,
      highWatermark: partition.highWatermark,
      lastStableOffset: partition.lastStableOffset,
      logStartOffset: log.startOffset,
      abortedTransactions: this.isCommittedOnly ? [] : null,
    };
    if (diverged !== undefined) {
      this.#mustAnswer = true;
      return { ...base, divergingEpoch: diverged, records: NO_RECORDS };
    }
    const { fetchOffset } = asked;
    if (fetchOffset < log.startOffset || fetchOffset > log.endOffset) throw refusal(ErrorCode.OFFSET_OUT_OF_RANGE);
    const maxBytes = Math.min(asked.partitionMaxBytes, this.#leftBytes);
    if (fetchOffset >= readableTo || this.#leftBytes <= 0 || (maxBytes <= 0 && this.#readBytes > 0))
      return { ...base, records: NO_RECORDS };
    if (fetchOffset < log.localStartOffset) return this.#readCold(partition, asked, { ...base, readableTo, maxBytes });
    const range = { fromOffset: fetchOffset, maxBytes: Math.max(0, maxBytes), endOffset: readableTo };
    const { bytes: records, nextOffset } = log.readSlice(range);
    this.#count(records.length);
    if (!this.isCommittedOnly || records.length === 0) return { ...base, records };
    const abortedTransactions = log.abortedTransactions({ fromOffset: fetchOffset, endOffset: nextOffset });
    return { ...base, abortedTransactions, records };
  }

  /** The end of what this broker may show: a follower shows no more than it has itself. */
  #readableTo(partition: Partition): bigint {
    const { brokerId, apiVersion } = this.#context;
    const end = this.isCommittedOnly ? partition.lastStableOffset : partition.highWatermark;
    if (partition.leaderId === brokerId && !partition.isClosed) return end;
    const own = partition.replicaNext(brokerId);
    if (own === undefined || partition.isClosed || apiVersion < FOLLOWER_READ_VERSION_MIN)
      throw wrongLeader(partition, ErrorCode.NOT_LEADER_FOR_PARTITION);
    return lowerOffset(own, end);
  }

  #readCold(
    partition: Partition,
    asked: RequestPartition,
    limits: Omit<PartitionAnswer, "records"> & { readonly readableTo: bigint; readonly maxBytes: number },
  ): PartitionAnswer {
    const { readableTo: endOffset, maxBytes, ...base } = limits;
    const answer: { -readonly [K in keyof PartitionAnswer]: PartitionAnswer[K] } = { ...base, records: NO_RECORDS };
    // What the store returns is not known yet, so the whole allowance is taken.
    this.#count(Math.max(maxBytes, this.#request.minBytes));
    const { isCommittedOnly } = this;
    const fetch = { partition, offset: asked.fetchOffset, endOffset, maxBytes, isCommittedOnly };
    const reading = readCold(fetch, this.#context);
    this.#cold.push(
      reading.then(
        (read) => void Object.assign(answer, typeof read === "number" ? refusedAnswer(asked.index, read) : read),
      ),
    );
    return answer;
  }

  #count(bytes: number): void {
    this.#readBytes += bytes;
    this.#leftBytes -= bytes;
  }
}

/** Where the client's log and this one part, when the client names the epoch of its last record (KIP-595). */
function divergingEpoch(
  partition: Partition,
  asked: RequestPartition,
): { readonly epoch: number; readonly endOffset: bigint } | undefined {
  if (asked.lastFetchedEpoch < 0) return undefined;
  const end = partition.log.epochEnd(asked.lastFetchedEpoch);
  if (end.epoch < 0) throw refusal(ErrorCode.OFFSET_OUT_OF_RANGE);
  const isDiverging = end.epoch < asked.lastFetchedEpoch || end.endOffset < asked.fetchOffset;
  return isDiverging ? { epoch: end.epoch, endOffset: end.endOffset } : undefined;
}

/** The tag exists from v12 on, but brokers fill it in only for clients that speak KIP-951. */
const LEADER_HINT_VERSION_MIN = 16;

function refusedAnswer(index: number, errorCode: number): PartitionAnswer {
  return {
    index,
    errorCode,
    highWatermark: -1n,
    lastStableOffset: -1n,
    logStartOffset: -1n,
    abortedTransactions: null,
    records: NO_RECORDS,
  };
}

function refused(index: number, error: unknown, context: RequestContext): PartitionAnswer {
  if (error instanceof WrongLeader) {
    const answer = refusedAnswer(index, error.errorCode);
    const { leaderId, leaderEpoch } = error;
    return context.apiVersion < LEADER_HINT_VERSION_MIN
      ? answer
      : { ...answer, currentLeader: { leaderId, leaderEpoch } };
  }
  if (error instanceof Refusal) {
    const answer = refusedAnswer(index, error.errorCode);
    return UNKNOWN_PARTITION.has(error.errorCode) ? { ...answer, abortedTransactions: [] } : answer;
  }
  if (!(error instanceof StorageError)) throw error;
  context.logger.error("could not read", { error: error.message });
  return refusedAnswer(index, ErrorCode.KAFKA_STORAGE_ERROR);
}
