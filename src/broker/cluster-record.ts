/** What a region must remember over a restart, as journal entries and the state they add up to. */

import type { Uuid } from "../core/brand.ts";
import { assertInvariant } from "../core/errors.ts";
import type { ConfigValues } from "./configs/resolver.ts";
import type { PartitionState } from "./election.ts";
import type { JournalState } from "./journal.ts";

/** A partition's state as it stands in an entry; `p` is its number. */
export interface PartitionChange extends PartitionState {
  readonly topicId: Uuid;
  readonly p: number;
}

/** One change. Producer ids are text because JSON has no int64. */
export type ClusterEntry =
  | { readonly t: "cluster"; readonly clusterId: string }
  | { readonly t: "topic"; readonly topicId: Uuid; readonly name: string; readonly configs: ConfigValues }
  | ({ readonly t: "partition" } & PartitionChange)
  | { readonly t: "topic-configs"; readonly topicId: Uuid; readonly configs: ConfigValues }
  | { readonly t: "topic-deleted"; readonly topicId: Uuid }
  | { readonly t: "broker-configs"; readonly configs: ConfigValues }
  | { readonly t: "producer-ids"; readonly next: string };

/** A topic on record. */
export interface TopicRecord {
  readonly topicId: Uuid;
  readonly name: string;
  configs: ConfigValues;
  readonly partitions: PartitionState[];
}

/** The sum of all entries. */
export class ClusterRecord implements JournalState<ClusterEntry> {
  readonly topics = new Map<Uuid, TopicRecord>();
  clusterId: string | undefined;
  brokerConfigs: ConfigValues = {};
  /** First producer id not yet handed to a broker. */
  nextProducerId = 0n;

  apply(entry: ClusterEntry): void {
    switch (entry.t) {
      case "cluster":
        this.clusterId = entry.clusterId;
        return;
      case "topic":
        this.topics.set(entry.topicId, { ...entry, partitions: [] });
        return;
      case "partition": {
        const { replicas, leaderId, leaderEpoch, isr } = entry;
        this.#topic(entry.topicId).partitions[entry.p] = { replicas, leaderId, leaderEpoch, isr };
        return;
      }
      case "topic-configs":
        this.#topic(entry.topicId).configs = entry.configs;
        return;
      case "topic-deleted":
        this.topics.delete(entry.topicId);
        return;
      case "broker-configs":
        this.brokerConfigs = entry.configs;
        return;
      case "producer-ids":
        this.nextProducerId = BigInt(entry.next);
        return;
    }
  }

  *snapshot(): Iterable<ClusterEntry> {
    if (this.clusterId !== undefined) yield { t: "cluster", clusterId: this.clusterId };
    yield { t: "broker-configs", configs: this.brokerConfigs };
    yield { t: "producer-ids", next: String(this.nextProducerId) };
    for (const { topicId, name, configs, partitions } of this.topics.values()) {
      yield { t: "topic", topicId, name, configs };
      for (const [p, state] of partitions.entries()) yield { t: "partition", topicId, p, ...state };
    }
  }

  #topic(topicId: Uuid): TopicRecord {
    const topic = this.topics.get(topicId);
    assertInvariant(topic !== undefined, "A journal entry names a topic that was created before", { topicId });
    return topic;
  }
}
