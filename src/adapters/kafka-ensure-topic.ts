/** Makes a compacted topic of ours on a cluster. */

import { createTopics } from "../client/admin.ts";
import { brokerError, errorCodeOf, mayRetry } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** As Kafka's own internal topics. */
const REPLICATION_FACTOR_MAX = 3;

/** Kafka's own default for `max.message.bytes`; how large a batch may be is not left to what the cluster has for topics in general. */
export const MAX_MESSAGE_BYTES = 1_048_588;

/** Settings of the topic when it is made here. Small segments and an eager cleaner keep what must be read at start short. */
const CONFIGS = {
  "max.message.bytes": String(MAX_MESSAGE_BYTES),
  "cleanup.policy": "compact",
  "segment.bytes": String(64 * 1024 * 1024),
  "min.cleanable.dirty.ratio": "0.1",
} as const;

/** Makes a compacted topic when it is missing, and answers how many partitions it has: later pictures of the cluster may lack it for a
 *  while. Several workers may start at once: whoever comes second finds it there. @throws {ClientError} */
export async function ensureTopic(client: KafkaClient, name: string, partitions: number): Promise<number> {
  const isTooFewBrokers = (error: unknown): boolean => errorCodeOf(error) === ErrorCode.INVALID_REPLICATION_FACTOR;
  const known = (): number | undefined => client.metadata.topic(name)?.partitions.length;
  return client.retry(
    {},
    (error) => isTooFewBrokers(error) || mayRetry(error),
    async () => {
      await client.metadata.refresh("internal topics");
      const present = known();
      if (present !== undefined) return present;
      const replicationFactor = Math.max(1, Math.min(REPLICATION_FACTOR_MAX, client.metadata.brokers.size));
      const [outcome] = await createTopics(client, [{ name, partitions, replicationFactor, configs: CONFIGS }]);
      const errorCode = outcome?.errorCode ?? ErrorCode.UNKNOWN;
      if (errorCode !== ErrorCode.NONE && errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS)
        throw brokerError("CreateTopics", errorCode, { subject: name, message: outcome?.errorMessage ?? null });
      // Another worker may have made it a moment ago; until the broker asked shows it, nothing is known of its partitions.
      await client.metadata.refresh("internal topic made");
      const made = known();
      if (made !== undefined) return made;
      throw brokerError("Metadata", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, { subject: name, message: "not shown yet" });
    },
  );
}
