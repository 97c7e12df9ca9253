/** Topics: list, create, grow, delete, and delete their oldest records. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { createTopics as createTopicsApi } from "../wire/apis/19-create-topics.ts";
import { deleteTopics as deleteTopicsApi } from "../wire/apis/20-delete-topics.ts";
import { deleteRecords as deleteRecordsApi } from "../wire/apis/21-delete-records.ts";
import { createPartitions as createPartitionsApi } from "../wire/apis/37-create-partitions.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { ClusterView, TopicMetadata } from "./cluster-view.ts";
import { brokerError, errorCodeOf, hadNoEffect, mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";
import { askLeaders, byTopic, inOrder, type PartitionRef } from "./leaders.ts";

/** The controller's time for one change; Kafka's admin client gives 30 s too. */
const CHANGE_TIMEOUT_MS = 30_000;

/** First version of DeleteTopics that takes topic ids, and a list of another shape. */
const DELETE_BY_ID_VERSION = 6;

/** All topics as the cluster shows them now, internal ones too. */
export async function listTopics(client: KafkaClient, options: CallOptions = {}): Promise<readonly TopicMetadata[]> {
  await client.metadata.refresh("topics listed", { all: true, signal: options.signal });
  return [...client.metadata.view.topics.values()];
}

/** A topic to be made. */
export interface TopicSpec {
  readonly name: string;
  /** -1, the default, leaves it to the broker. */
  readonly partitions?: number | undefined;
  readonly replicationFactor?: number | undefined;
  readonly configs?: Readonly<Record<string, string>> | undefined;
}

/** What became of one topic. */
export interface TopicOutcome {
  readonly name: string;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** What became of one topic that was to be made. */
export interface CreatedTopic extends TopicOutcome {
  /** `ZERO_UUID` on error, and from brokers before Kafka 2.8. */
  readonly topicId: Uuid;
}

/** Options of changes. */
export interface ChangeOptions extends CallOptions {
  /** The controller checks and changes nothing. */
  readonly validateOnly?: boolean | undefined;
}

/** Creates topics, then waits until the metadata shows them with a leader for every partition. One outcome for each, in
 *  their order; a topic that exists is TOPIC_ALREADY_EXISTS, also when an earlier attempt of this call made it. */
export async function createTopics(
  client: KafkaClient,
  specs: readonly TopicSpec[],
  options: ChangeOptions = {},
): Promise<readonly CreatedTopic[]> {
  const validateOnly = options.validateOnly ?? false;
  const topics = specs.map(({ name, partitions = -1, replicationFactor = -1, configs = {} }) => ({
    name,
    numPartitions: partitions,
    replicationFactor,
    assignments: [],
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  }));
  const outcomes = await askController(client, options, async () => {
    const body = { topics, timeoutMs: CHANGE_TIMEOUT_MS, validateOnly };
    return (await client.request("controller", createTopicsApi, body, { signal: options.signal })).topics;
  });
  const made = outcomes.filter(({ errorCode }) => errorCode === ErrorCode.NONE);
  if (!validateOnly && made.length > 0) {
    client.metadata.track(made.map(({ name }) => name));
    // By id too: a topic of the same name may have been there before, and may be what the cache still shows.
    const isThere = (view: ClusterView) =>
      made.every(({ name, topicId }) => hasLeaders(view, name) && hasId(view.topics.get(name), topicId));
    await client.metadata.waitFor((view) => (isThere(view) ? true : undefined), options);
  }
  const byName = new Map(outcomes.map((outcome) => [outcome.name, outcome]));
  return specs.map(({ name }) => {
    const { topicId, errorCode, errorMessage } = byName.get(name) ?? NO_OUTCOME;
    return { name, topicId, errorCode, errorMessage };
  });
}

/** Grows topics to `count` partitions each and waits until the metadata shows them. */
export async function createPartitions(
  client: KafkaClient,
  growth: readonly { readonly name: string; readonly count: number }[],
  options: ChangeOptions = {},
): Promise<readonly TopicOutcome[]> {
  const validateOnly = options.validateOnly ?? false;
  const topics = growth.map(({ name, count }) => ({ name, count, assignments: null }));
  const outcomes = await askController(client, options, async () => {
    const body = { topics, timeoutMs: CHANGE_TIMEOUT_MS, validateOnly };
    return (await client.request("controller", createPartitionsApi, body, { signal: options.signal })).results;
  });
  const byName = new Map(outcomes.map((outcome) => [outcome.name, outcome]));
  const grown = growth.filter(({ name }) => byName.get(name)?.errorCode === ErrorCode.NONE);
  if (!validateOnly && grown.length > 0) {
    client.metadata.track(grown.map(({ name }) => name));
    const isGrown = (view: ClusterView) => grown.every(({ name, count }) => hasLeaders(view, name, count));
    await client.metadata.waitFor((view) => (isGrown(view) ? true : undefined), options);
  }
  return growth.map(({ name }) => {
    const { errorCode, errorMessage } = byName.get(name) ?? NO_OUTCOME;
    return { name, errorCode, errorMessage };
  });
}

/** Deletes topics by name, with all their records. */
export async function deleteTopics(
  client: KafkaClient,
  names: readonly string[],
  options: CallOptions = {},
): Promise<readonly TopicOutcome[]> {
  const outcomes = await askController(client, options, async () => {
    const answer = await client.request(
      "controller",
      deleteTopicsApi,
      (version) => ({
        timeoutMs: CHANGE_TIMEOUT_MS,
        ...(version >= DELETE_BY_ID_VERSION
          ? { topics: names.map((name) => ({ name, topicId: ZERO_UUID })) }
          : { topicNames: names }),
      }),
      { signal: options.signal },
    );
    return answer.topics;
  });
  client.metadata.untrack(names);
  const byName = new Map(outcomes.map((outcome) => [outcome.name, outcome]));
  return names.map((name) => {
    const { errorCode, errorMessage } = byName.get(name) ?? NO_OUTCOME;
    return { name, errorCode, errorMessage };
  });
}

/** Deletes one incarnation of a topic, with all its records; another topic of its name is safe. Needs Kafka 2.8.
 *  @throws {ClientError} `CLIENT_BROKER_ERROR` UNSUPPORTED_VERSION from older brokers */
export async function deleteTopicById(
  client: KafkaClient,
  topicId: Uuid,
  options: CallOptions = {},
): Promise<Omit<TopicOutcome, "name">> {
  const [outcome] = await askController(client, options, async () => {
    const answer = await client.request(
      "controller",
      deleteTopicsApi,
      (version) => {
        if (version < DELETE_BY_ID_VERSION) {
          const message = "brokers before Kafka 2.8 delete topics by name only";
          throw brokerError(deleteTopicsApi.name, ErrorCode.UNSUPPORTED_VERSION, { subject: topicId, message });
        }
        return { timeoutMs: CHANGE_TIMEOUT_MS, topics: [{ name: null, topicId }] };
      },
      { signal: options.signal },
    );
    return answer.topics;
  });
  return outcome ?? NO_OUTCOME;
}

/** Where a partition's log shall begin. */
export interface RecordsToDelete extends PartitionRef {
  /** The new log start; -1 means the high watermark. */
  readonly offset: bigint;
}

/** Where it begins now. */
export interface DeletedRecords extends PartitionRef {
  readonly errorCode: number;
  /** Log start of the replica that has kept most; -1 on error. */
  readonly lowWatermark: bigint;
}

/** Moves log starts forward: everything before them is deleted. Harmless to repeat. */
export function deleteRecords(
  client: KafkaClient,
  partitions: readonly RecordsToDelete[],
  options: CallOptions = {},
): Promise<readonly DeletedRecords[]> {
  const failed = ({ topic, index }: PartitionRef, errorCode: number): DeletedRecords => {
    return { topic, index, errorCode, lowWatermark: -1n };
  };
  return askLeaders(client, partitions, {
    ...options,
    failed,
    ask: async (nodeId, items) => {
      const topics = byTopic(items).map(({ topic, items: asked }) => ({
        name: topic,
        partitions: asked.map(({ index, offset }) => ({ index, offset })),
      }));
      const body = { topics, timeoutMs: CHANGE_TIMEOUT_MS };
      const answer = await client.request(nodeId, deleteRecordsApi, body, { signal: options.signal });
      const told = answer.topics.flatMap(({ name, partitions: done }) => done.map((one) => ({ topic: name, ...one })));
      return inOrder(items, told, (item) => failed(item, ErrorCode.UNKNOWN));
    },
  });
}

const NO_OUTCOME = {
  topicId: ZERO_UUID,
  errorCode: ErrorCode.UNKNOWN,
  errorMessage: "the answer leaves the topic out",
};

/** Sends a change to the controller, again where it certainly had no effect: not sent, or not the controller. */
async function askController<O extends { readonly errorCode: number }>(
  client: KafkaClient,
  options: CallOptions,
  ask: () => Promise<readonly O[]>,
): Promise<readonly O[]> {
  const isHarmless = (error: unknown): boolean =>
    errorCodeOf(error) === ErrorCode.NOT_CONTROLLER || (mayRetry(error) && hadNoEffect(error));
  return client.retry(options, isHarmless, async () => {
    const outcomes = await ask();
    const elsewhere = outcomes.find(({ errorCode }) => errorCode === ErrorCode.NOT_CONTROLLER);
    if (elsewhere === undefined) return outcomes;
    await client.metadata.refresh("the controller moved", { signal: options.signal });
    throw brokerError("a change", elsewhere.errorCode, { subject: "topics" });
  });
}

function hasLeaders(view: ClusterView, name: string, partitions = 1): boolean {
  const topic = view.topics.get(name);
  return (
    topic !== undefined &&
    topic.partitions.length >= partitions &&
    topic.partitions.every(({ leaderId }) => leaderId >= 0)
  );
}

function hasId(topic: TopicMetadata | undefined, topicId: Uuid): boolean {
  return topicId === ZERO_UUID || topic?.topicId === topicId;
}
