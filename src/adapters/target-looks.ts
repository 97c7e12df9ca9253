/** Which leader, over which connection, a lane looked at when it last asked how far it is. A partition may lose everything when it gets
 *  another leader or its leader begins anew; what lost all of a lane takes any sequence number of it. So "No batch follows a look at
 *  another leader": the batches behind a look go to that leader over that connection, or nowhere. */

import type { KafkaClient } from "../client/kafka-client.ts";
import type { TopicPartition } from "../mirror/ports.ts";

/** One look; identical to itself only. */
export interface Look {
  readonly leaderId: number;
  readonly leaderEpoch: number;
  /** The connection for batches, which was open before the leader was asked. */
  readonly serial: number;
}

/** The latest looks of one target's lanes, by the producer ids that they were for: each belongs to one lane. */
export class TargetLooks {
  readonly #client: KafkaClient;
  readonly #latest = new Map<bigint, Look>();

  constructor(client: KafkaClient) {
    this.#client = client;
  }

  /** To be called before the leader is asked. Without a leader no look is noted, and the next batch finds none either.
   *  @throws {ClientError} when the leader cannot be connected */
  async begin({ topic, partition }: TopicPartition, producerId: bigint): Promise<void> {
    const leader = this.#client.metadata.leaderOf(topic, partition);
    if (leader === undefined) return;
    const { leaderId, leaderEpoch } = leader;
    const serial = await this.#client.connection(leaderId, "produce");
    this.#latest.set(producerId, { leaderId, leaderEpoch, serial });
  }

  /** The look that a batch stands behind when it is handed over; undefined for producers that nobody looked for. */
  of(producerId: bigint): Look | undefined {
    return this.#latest.get(producerId);
  }

  /** Why a batch may not be sent now that was handed over behind `look`; undefined when it may. */
  doubt({ topic, partition }: TopicPartition, producerId: bigint, look: Look | undefined): string | undefined {
    if (look !== this.#latest.get(producerId)) return "the target was looked at again";
    if (look === undefined) return undefined;
    const leader = this.#client.metadata.leaderOf(topic, partition);
    if (leader?.leaderId !== look.leaderId || leader.leaderEpoch !== look.leaderEpoch)
      return "the partition has another leader";
    if (this.#client.connectionNow(look.leaderId, "produce") !== look.serial) return "the leader was connected anew";
    return undefined;
  }
}
