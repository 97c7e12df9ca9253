/** Appends batches to partitions that may just have been made. */

import { setTimeout as delay } from "node:timers/promises";
import type { KafkaClient } from "../../../src/client/kafka-client.ts";
import { type ProducePartition, produceTo } from "../../../src/client/produce.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";

/** A fresh partition is led within a second or two. */
const ATTEMPTS_MAX = 100;
const ATTEMPT_MS = 100;

/** One request to the broker; what came before the leader was ready is sent again, because the order does not matter here.
 *  @throws {Error} when the broker refuses a batch */
export async function appendAll(
  client: KafkaClient,
  leader: number,
  batches: readonly ProducePartition[],
): Promise<void> {
  let left = batches;
  for (let attempt = 0; left.length > 0; attempt++) {
    if (attempt > 0) await delay(ATTEMPT_MS);
    const outcomes = await produceTo(client, leader, { partitions: left, acks: -1 });
    const refused = outcomes.find(({ errorCode }) => errorCode !== ErrorCode.NONE && !isEarly(errorCode));
    if (refused !== undefined || attempt > ATTEMPTS_MAX)
      throw new Error(`a batch was refused: error ${(refused ?? outcomes[0])?.errorCode}`);
    left = left.filter((_, index) => isEarly(outcomes[index]?.errorCode ?? ErrorCode.NONE));
  }
}

function isEarly(errorCode: number): boolean {
  return errorCode === ErrorCode.NOT_LEADER_FOR_PARTITION || errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}
