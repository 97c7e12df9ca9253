/** What the source's cluster says of topics and partitions that lanes read: whether they are still the same, and their bounds. */

import { isDeniedCode } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { toError } from "../core/errors.ts";
import { MirrorError } from "../mirror/errors.ts";
import type { PartitionBounds, TopicPartition } from "../mirror/ports.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { gathering } from "./gather.ts";
import { boundsOf } from "./kafka-partitions.ts";
import { denied, unavailable } from "./source-faults.ts";

/** For one question about a partition. */
export const CALL_TIMEOUT_MS = 5_000;

/** See the file's comment. */
export class KafkaSourceTopics {
  readonly #client: KafkaClient;
  readonly #bounds: (at: TopicPartition) => Promise<PartitionBounds | Error>;

  constructor(client: KafkaClient) {
    this.#client = client;
    this.#bounds = gathering((asked) => boundsOf(client, asked, "read_committed", CALL_TIMEOUT_MS));
  }

  /** Whether the topic known by this name is the one meant. */
  isCurrent({ topic, topicId }: TopicPartition): boolean {
    return this.#client.metadata.topic(topic)?.topicId === topicId;
  }

  /** Log start and readable end; questions of one moment go out together. @throws {MirrorError} `SOURCE_*` */
  async bounds(at: TopicPartition): Promise<PartitionBounds> {
    this.#client.metadata.track([at.topic]);
    const changed = this.isCurrent(at) ? undefined : await this.refreshed(at);
    if (changed !== undefined) throw changed;
    const bounds = await this.#bounds(at).catch(toError);
    if (bounds instanceof Error) throw unavailable(at, bounds);
    return bounds;
  }

  /** What is wrong with the topic according to fresh metadata; undefined when nothing is. */
  async refreshed(at: TopicPartition): Promise<MirrorError | undefined> {
    try {
      await this.#client.metadata.refresh("source topic needed");
    } catch (error) {
      return unavailable(at, toError(error));
    }
    return this.isCurrent(at) ? undefined : (this.#topicFault(at) ?? unavailable(at, new Error("topic not described")));
  }

  /** Set when the metadata says that the topic is another one now, or gone. */
  #topicFault({ topic, topicId, partition }: TopicPartition): MirrorError | undefined {
    const { metadata } = this.#client;
    const now = metadata.topic(topic)?.topicId;
    if (now !== undefined && now !== topicId)
      return new MirrorError({ code: "SOURCE_TOPIC_RECREATED", topic, partition, topicId, newTopicId: now });
    const errorCode = metadata.view.topicErrors.get(topic);
    if (now === undefined && errorCode !== undefined && isDeniedCode(errorCode))
      return denied({ topic, partition }, errorCode);
    if (now === undefined && errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      return new MirrorError({ code: "SOURCE_TOPIC_DELETED", topic, partition, topicId });
    return undefined;
  }
}
