/** What following deletions needs of a cluster, over its Kafka client. */

import { deleteTopicById } from "../client/admin.ts";
import { brokerError } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { Uuid } from "../core/brand.ts";
import type { DeletionSource, DeletionTarget } from "../mirror/metadata/deletion-sync.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** For one deletion. */
const CALL_TIMEOUT_MS = 10_000;

/** Either side; the client is opened and closed by the caller. */
export class KafkaDeletions implements DeletionSource, DeletionTarget {
  readonly #client: KafkaClient;

  constructor(deps: { readonly client: KafkaClient }) {
    this.#client = deps.client;
  }

  /** A list leaves out what this program may not see; asked by its name, a topic is denied or unknown. */
  async incarnations(topics: readonly string[]): Promise<readonly (Uuid | undefined | Error)[]> {
    if (topics.length === 0) return [];
    const { metadata } = this.#client;
    metadata.track(topics);
    await metadata.refresh("topics are missed");
    return topics.map((topic) => {
      const found = metadata.topic(topic);
      if (found !== undefined) return found.topicId;
      const errorCode = metadata.view.topicErrors.get(topic) ?? ErrorCode.UNKNOWN;
      const isAbsent = errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return isAbsent ? undefined : brokerError("Metadata", errorCode, { subject: topic });
    });
  }

  async remove({ topic, topicId }: { readonly topic: string; readonly topicId: Uuid }): Promise<void> {
    const options = { timeoutMs: CALL_TIMEOUT_MS };
    const { errorCode, errorMessage: message } = await deleteTopicById(this.#client, topicId, options);
    if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.UNKNOWN_TOPIC_ID) return;
    throw brokerError("DeleteTopics", errorCode, { subject: topic, message });
  }
}
