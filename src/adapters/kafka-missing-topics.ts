/** Whether a cluster surely has no topic of a name and id any more: every broker that it lists says so. */

import type { KafkaClient } from "../client/kafka-client.ts";
import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { TributaryError } from "../core/errors.ts";
import { metadata } from "../wire/apis/03-metadata.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** False for whatever else the answer may mean: a topic that this program may not see is denied when it is asked for by its name, a
 *  broker that is away or has just started may know less than others. A topic of that name with another id was made again. */
export async function isMissing(
  client: KafkaClient,
  { topic, topicId }: { readonly topic: string; readonly topicId: Uuid },
): Promise<boolean> {
  await client.metadata.refresh("topics are missed");
  const brokers = [...client.metadata.brokers.keys()];
  const answers = await Promise.all(brokers.map((nodeId) => lacks(client, nodeId, { topic, topicId })));
  return answers.length > 0 && answers.every(Boolean);
}

async function lacks(
  client: KafkaClient,
  nodeId: number,
  { topic, topicId }: { readonly topic: string; readonly topicId: Uuid },
): Promise<boolean> {
  const body = { topics: [{ name: topic }], allowAutoTopicCreation: false };
  try {
    const { topics } = await client.request(nodeId, metadata, body);
    const found = topics.find(({ name }) => name === topic);
    if (found?.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) return true;
    const isOther = found?.topicId !== topicId && found?.topicId !== ZERO_UUID;
    return found?.errorCode === ErrorCode.NONE && isOther;
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    return false;
  }
}
