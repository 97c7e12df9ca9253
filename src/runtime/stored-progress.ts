/** Progress stored on a target, opened for reading: makes nothing there that is not there yet. */

import { type KafkaProgressStore, openKafkaProgress } from "../adapters/kafka-progress.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { listTopics } from "../client/admin.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { silentLogger } from "../core/logger.ts";
import { LANES_TOPIC, OFFSETS_TOPIC } from "../mirror/state-record-keys.ts";

/** The store, or undefined when no mirror has ever written to this region. The client stays the caller's. */
export async function storedProgress(client: KafkaClient): Promise<KafkaProgressStore | undefined> {
  const names = new Set((await listTopics(client)).map((topic) => topic.name));
  if (!names.has(LANES_TOPIC) || !names.has(OFFSETS_TOPIC)) return undefined;
  return openKafkaProgress({}, { client, clock: nodeClock(), random: nodeRandom(), logger: silentLogger });
}
