/** Raw Fetch: record batches as they lie in the source's log, for many partitions of one broker in one request. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { assertInvariant } from "../core/errors.ts";
import type { ResponseOutput } from "../wire/api.ts";
import { fetchApi } from "../wire/apis/01-fetch.ts";
import { ISOLATION_LEVELS } from "../wire/apis/isolation-levels.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { FramePool } from "../wire/frame-pool.ts";
import { isClusterId } from "../wire/topic-ids.ts";
import { brokerError } from "./errors.ts";
import type { FetchSession, SessionStep } from "./fetch-session.ts";
import type { ClientRequestOptions, KafkaClient } from "./kafka-client.ts";
import { learnLeaders } from "./leader-news.ts";
import { type TopicRef, TopicRefs } from "./topic-refs.ts";

/** Last version that names topics instead of giving their ids. By name a recreated topic is read silently. */
const LAST_BY_NAME = 12;

/** First version that takes the epoch of the last record read (KIP-595). */
const FIRST_WITH_FETCHED_EPOCH = 12;

/** Time for an answer beyond the broker's own wait. */
const ANSWER_TIMEOUT_MS = 30_000;

/** What readers see of transactions. */
export type Isolation = keyof typeof ISOLATION_LEVELS;

/** Where to read in one partition. */
export interface FetchPartition {
  readonly topic: string;
  /** `ZERO_UUID` when unknown: then the whole request goes by name. */
  readonly topicId: Uuid;
  readonly index: number;
  readonly fetchOffset: bigint;
  /** Epoch of the last record read (its batch's `leaderEpoch`), so that truncation is told as such; -1 when none. */
  readonly lastFetchedEpoch: number;
  /** Epoch of the leader as known, checked by the broker; -1 turns the check off. */
  readonly currentLeaderEpoch: number;
  readonly maxBytes: number;
}

/** One request to one broker. */
export interface FetchRequest {
  readonly partitions: readonly FetchPartition[];
  /** How long the broker may wait for `minBytes`. */
  readonly maxWaitMs: number;
  readonly minBytes: number;
  /** For the whole answer; the first batch comes even when it is larger. */
  readonly maxBytes: number;
  readonly isolation: Isolation;
  /** This client's rack, so that the broker may name a nearer replica (KIP-392). */
  readonly rackId?: string | undefined;
}

/** What came back for one partition. Errors are codes, not throws: each partition has its own. */
export interface FetchedPartition {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: number;
  readonly errorCode: number;
  /** -1 on errors, as the three below. */
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
  /** Set when the log was truncated below what this reader has read: the two agree up to `endOffset` at most. */
  readonly divergingEpoch: { readonly epoch: number; readonly endOffset: bigint } | undefined;
  /** Transactions whose records at or after `firstOffset` are to be left out; empty under read_uncommitted. */
  readonly abortedTransactions: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
  /** Whole batches, except perhaps the last, which the size limit may cut. A view into the answer's frame. */
  readonly records: Buffer;
  /** A replica to read from instead; -1 when none. */
  readonly preferredReadReplica: number;
  /** Says that `records` will never be read again, by anybody. Once all partitions of the answer have said so, its memory is
   *  used for another answer; without, it is left to the garbage collector. Idempotent. */
  readonly release: () => void;
}

/** Fetches from one broker, once, outside of fetch sessions. Leaders named in the answer are taken into the metadata, and errors
 *  about leaders start a refresh. Partitions come in the order of the answer; the broker may leave none out.
 *  @throws {ClientError} `CLIENT_BROKER_ERROR` when the broker refuses the request as a whole; see `KafkaClient.request` */
export async function fetchFrom(
  client: KafkaClient,
  nodeId: number,
  options: FetchRequest & ClientRequestOptions,
): Promise<readonly FetchedPartition[]> {
  const { partitions } = options;
  const hasIds = partitions.every(({ topicId }) => isClusterId(topicId));
  const step = { sessionId: 0, sessionEpoch: -1, partitions, forgotten: [] };
  const answer = await ask(client, nodeId, { options, step, hasIds });
  if (answer.errorCode !== ErrorCode.NONE) throw brokerError("Fetch", answer.errorCode, { subject: `node ${nodeId}` });
  return fetchedPartitions(client, answer, new TopicRefs(fetchApi.name, partitions));
}

/** Fetches all partitions of a session once; only those with news come back, none when the session has to be opened again, which the
 *  next call does. One call at a time for each session.
 *  @throws {ClientError} as `fetchFrom` */
export async function fetchInSession(
  client: KafkaClient,
  nodeId: number,
  { session, ...options }: Omit<FetchRequest, "partitions"> & ClientRequestOptions & { readonly session: FetchSession },
): Promise<readonly FetchedPartition[]> {
  const step = session.next();
  try {
    const answer = await ask(client, nodeId, { options, step, hasIds: session.hasIds });
    const isAccepted = session.settle(answer);
    if (!isAccepted && step.sessionEpoch > 0) return [];
    if (!isAccepted) throw brokerError("Fetch", answer.errorCode, { subject: `node ${nodeId}` });
    return fetchedPartitions(client, answer, session.refs);
  } catch (error) {
    session.reset();
    throw error;
  }
}

function ask(
  client: KafkaClient,
  nodeId: number,
  asked: {
    readonly options: Omit<FetchRequest, "partitions"> & ClientRequestOptions;
    readonly step: SessionStep;
    readonly hasIds: boolean;
  },
): Promise<FetchAnswer> {
  const { options, step, hasIds } = asked;
  const { maxWaitMs, minBytes, maxBytes, isolation, rackId = "" } = options;
  return client.request(
    nodeId,
    fetchApi,
    (version) => ({
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: ISOLATION_LEVELS[isolation],
      sessionId: step.sessionId,
      sessionEpoch: step.sessionEpoch,
      topics: byIncarnation(step.partitions).map(({ topic, topicId, items }) => ({
        name: topic,
        topicId,
        partitions: items.map((item) => requestPartition(item, version)),
      })),
      forgottenTopics: byIncarnation(step.forgotten).map(({ topic, topicId, items }) => ({
        name: topic,
        topicId,
        partitions: items.map(({ index }) => index),
      })),
      rackId,
    }),
    {
      purpose: "fetch",
      ...options,
      timeoutMs: options.timeoutMs ?? ANSWER_TIMEOUT_MS + maxWaitMs,
      maxVersion: hasIds ? options.maxVersion : Math.min(options.maxVersion ?? LAST_BY_NAME, LAST_BY_NAME),
    },
  );
}

interface IncarnationPart extends TopicRef {
  readonly items: FetchPartition[];
}

/** Grouped by topic, of which two may have the same name for a while. */
function byIncarnation(partitions: readonly FetchPartition[]): readonly IncarnationPart[] {
  const groups = new Map<string, IncarnationPart>();
  for (const item of partitions) {
    const { topic, topicId } = item;
    const key = topicId === ZERO_UUID ? topic : topicId;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { topic, topicId, items: [item] });
    else group.items.push(item);
  }
  return [...groups.values()];
}

function fetchedPartitions(client: KafkaClient, answer: FetchAnswer, refs: TopicRefs): readonly FetchedPartition[] {
  learn(client, answer, refs);
  const letGo = holdOn(client.fetchFrames, answer);
  return answer.topics.flatMap((topic) => {
    const ref = refs.of(topic);
    return topic.partitions.map((partition) => fetchedPartition(ref, partition, letGo));
  });
}

/** Gives the answer's memory back when as many have let go of it as hold records in it. */
function holdOn(frames: FramePool, answer: FetchAnswer): () => void {
  const held = answer.topics.flatMap((topic) =>
    topic.partitions.flatMap(({ records }) => (hasBytes(records) ? [records] : [])),
  );
  let holders = held.length;
  return () => {
    holders--;
    if (holders === 0 && held[0] !== undefined) frames.release(held[0]);
  };
}

function hasBytes(records: Buffer | null): records is Buffer {
  return records !== null && records.length > 0;
}

type FetchAnswer = ResponseOutput<typeof fetchApi>;
type PartitionAnswer = FetchAnswer["topics"][number]["partitions"][number];

function requestPartition(item: FetchPartition, version: number) {
  const { index, fetchOffset, lastFetchedEpoch, currentLeaderEpoch, maxBytes } = item;
  assertInvariant(fetchOffset >= 0n, "fetch offsets are never negative", { topic: item.topic, index, fetchOffset });
  const base = { index, currentLeaderEpoch, fetchOffset, partitionMaxBytes: maxBytes };
  return version >= FIRST_WITH_FETCHED_EPOCH ? { ...base, lastFetchedEpoch } : base;
}

function fetchedPartition(ref: TopicRef, answer: PartitionAnswer, letGo: () => void): FetchedPartition {
  let isHeld = hasBytes(answer.records);
  const { index, errorCode, highWatermark, lastStableOffset, logStartOffset, preferredReadReplica } = answer;
  return {
    ...ref,
    index,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    divergingEpoch: answer.divergingEpoch.endOffset < 0n ? undefined : answer.divergingEpoch,
    abortedTransactions: answer.abortedTransactions ?? [],
    records: answer.records ?? NO_RECORDS,
    preferredReadReplica,
    release: () => {
      if (isHeld) letGo();
      isHeld = false;
    },
  };
}

const NO_RECORDS = Buffer.alloc(0);

function learn(client: KafkaClient, answer: FetchAnswer, refs: TopicRefs): void {
  learnLeaders(
    client,
    answer.topics.flatMap((topic) => topic.partitions.map((partition) => ({ ...partition, ...refs.of(topic) }))),
    answer.nodeEndpoints,
  );
}
