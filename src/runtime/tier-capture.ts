/** Keeps positions of groups and shapes of topics beside the records, from time to time, after a pass of an offloader. */

import { kafkaGroupsView, kafkaTopicsView } from "../adapters/kafka-capture.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { captureGroups } from "../tier/groups.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { captureTopics } from "../tier/topic-record.ts";

/** Positions are worth a request a minute; a restore to a time between two looks lets groups read a little again. */
const CAPTURE_EVERY_MS = 60_000;

/** One for each rule. */
export class TierCapture {
  readonly #store: ObjectStore;
  #capturedAtMs: number | undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Looks at the topics that are archived, and at all groups, unless it did or tried so a moment ago.
   *  @throws {StoreError | ArchiveError | ClientError} */
  async runIfDue(
    client: () => Promise<KafkaClient>,
    { clusterId, topics }: { readonly clusterId: string; readonly topics: readonly string[] },
  ): Promise<void> {
    const nowMs = nodeClock().monotonicMs();
    if (this.#capturedAtMs !== undefined && nowMs - this.#capturedAtMs < CAPTURE_EVERY_MS) return;
    if (topics.length === 0) return;
    this.#capturedAtMs = nowMs;
    const asked = await client();
    const deps = { store: this.#store, clock: nodeClock(), random: nodeRandom() };
    await captureTopics(clusterId, topics, kafkaTopicsView(asked), deps);
    await captureGroups(clusterId, kafkaGroupsView(asked), deps);
  }
}
