/** The list of the transactional producers of lanes that wrote to a cluster, in a compacted topic there: one record for each, which is
 *  never removed, because batches of it may lie in the cluster's topics for ever. */

import type { KafkaClient } from "../client/kafka-client.ts";
import type { Clock } from "../core/clock.ts";
import type { LaneKey } from "../mirror/offset-ports.ts";
import { KafkaInternalTopic } from "./kafka-internal-topic.ts";
import { Shared } from "./shared-run.ts";

/** Key: the producer id in decimal; value: the lane's key. */
export const PRODUCERS_TOPIC = "tributary.producers.internal";

/** See the file's comment. The client is the caller's. */
export class KafkaWriters {
  readonly #deps: { readonly client: KafkaClient; readonly clock: Clock };
  /** A lane gets a new id when it was out of history mode for about a week: bounded by lanes and weeks. */
  readonly #lanes = new Map<bigint, LaneKey>();
  readonly #refresh = new Shared(() => this.#readNew());
  #topic: KafkaInternalTopic | undefined;

  constructor(deps: { readonly client: KafkaClient; readonly clock: Clock }) {
    this.#deps = deps;
  }

  /** Resolves once the producer is listed. @throws {ClientError} */
  async announce(producerId: bigint, lane: LaneKey): Promise<void> {
    if (this.#lanes.has(producerId)) return;
    this.#topic ??= await KafkaInternalTopic.open({ name: PRODUCERS_TOPIC }, this.#deps);
    await this.#topic.append([{ route: lane, key: String(producerId), value: Buffer.from(lane) }]);
    this.#lanes.set(producerId, lane);
  }

  /** The lane that is listed for the producer now. @throws {ClientError} */
  async laneOf(producerId: bigint): Promise<LaneKey | undefined> {
    if (!this.#lanes.has(producerId)) await this.#refresh.run();
    return this.#lanes.get(producerId);
  }

  /** The topic is made by the first lane that needs it; until then there is no writer. */
  async #readNew(): Promise<void> {
    this.#topic ??= await KafkaInternalTopic.openExisting({ name: PRODUCERS_TOPIC }, this.#deps);
    await this.#topic?.readNew((key, value) => {
      if (/^\d{1,19}$/.test(key) && value !== null) this.#lanes.set(BigInt(key), value.toString("utf8") as LaneKey);
    });
  }
}
