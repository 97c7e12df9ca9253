/** MirrorMaker 2's internal topics on a cluster: made when missing, appended to. */

import { brokerError } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { askLeaders } from "../client/leaders.ts";
import { produceTo } from "../client/produce.ts";
import { ZERO_UUID } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import type { Mm2Record } from "../mirror/mm2/formats.ts";
import type { CompactedTopics } from "../mirror/mm2/ports.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { encodeBatch } from "../wire/records.ts";
import { ensureTopic } from "./kafka-ensure-topic.ts";

/** MirrorMaker reads partition 0 alone. */
const PARTITIONS = 1;
/** Records in one batch: with the longest names that Kafka allows, still below the brokers' default `max.message.bytes`. */
const BATCH_RECORDS_MAX = 1_000;

/** What the adapter works with; the client is the caller's to open and close. */
export interface KafkaCompactedTopicsDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
}

/** The topics of one cluster. */
export class KafkaCompactedTopics implements CompactedTopics {
  readonly #client: KafkaClient;
  readonly #clock: Clock;

  constructor(deps: KafkaCompactedTopicsDeps) {
    this.#client = deps.client;
    this.#clock = deps.clock;
  }

  async append(topic: string, records: readonly Mm2Record[]): Promise<void> {
    const { metadata } = this.#client;
    metadata.track([topic]);
    if (metadata.topic(topic) === undefined) await ensureTopic(this.#client, topic, PARTITIONS);
    for (let from = 0; from < records.length; from += BATCH_RECORDS_MAX)
      await this.#produce(topic, records.slice(from, from + BATCH_RECORDS_MAX));
  }

  async #produce(topic: string, records: readonly Mm2Record[]): Promise<void> {
    const timestampMs = BigInt(this.#clock.nowMs());
    const batch = encodeBatch(
      records.map((record) => ({ timestampMs, ...record })),
      {},
    );
    const item = { topic, topicId: ZERO_UUID, index: 0, records: batch.bytes };
    const [outcome] = await askLeaders(this.#client, [item], {
      failed: (_, errorCode) => ({ topic, index: 0, errorCode }),
      ask: (nodeId, partitions) => produceTo(this.#client, nodeId, { partitions, acks: -1, purpose: "control" }),
    });
    const errorCode = outcome?.errorCode ?? ErrorCode.UNKNOWN;
    if (errorCode !== ErrorCode.NONE) throw brokerError("Produce", errorCode, { subject: topic });
  }
}
