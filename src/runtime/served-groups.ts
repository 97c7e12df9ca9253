/** Consumer groups of an archive that is served as it was at a time: they begin where they stood then. */

import { KafkaGroups } from "../adapters/kafka-groups.ts";
import type { EmbeddedRegion } from "../broker/embedded-region.ts";
import { lowerOffset } from "../broker/offset-order.ts";
import { KafkaClient } from "../client/kafka-client.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Network } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import { type CapturedCommit, groupsAt } from "../tier/groups.ts";
import type { ObjectStore } from "../tier/ports.ts";

/** What it works with. */
export interface ServedGroupsDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
}

/** Which positions. */
export interface ServedMoment {
  readonly clusterId: string;
  /** Milliseconds since the epoch: the last look at the groups that is not later counts. */
  readonly atMs: number;
}

/** Commits captured positions of topics that the region shows. A position that a group has here already stays; one beyond the end of
 *  what is shown becomes the end. Nothing happens where groups were not captured so early.
 *  @throws {StoreError | ArchiveError | ClientError} */
export async function placeGroups(
  region: EmbeddedRegion,
  { clusterId, atMs }: ServedMoment,
  deps: ServedGroupsDeps,
): Promise<void> {
  const snapshot = await groupsAt(deps.store, clusterId, atMs);
  if (snapshot === undefined || snapshot.groups.length === 0) return;
  const topics = new Map(region.topics().map((topic) => [topic.name, topic]));
  const endOf = ({ topic: name, topicId, partition }: CapturedCommit): bigint | undefined => {
    const topic = topics.get(name);
    // A position of another topic that had the same name says nothing.
    return topic?.topicId === (topicId ?? topic?.topicId) ? topic?.partitions[partition]?.highWatermark : undefined;
  };
  const client = await KafkaClient.open({ bootstrap: region.endpoints, clientId: "tributary-serve" }, deps);
  try {
    const groups = new KafkaGroups({ client, logger: deps.logger });
    const known = await groups.committed(snapshot.groups.map(({ group }) => group));
    for (const { group, commits } of snapshot.groups) {
      const own = new Set((known.get(group) ?? []).map(({ topic, partition }) => `${topic}/${partition}`));
      const placed = commits.flatMap((commit) => {
        const end = endOf(commit);
        if (end === undefined || own.has(`${commit.topic}/${commit.partition}`)) return [];
        return [{ ...commit, offset: lowerOffset(commit.offset, end) }];
      });
      if (placed.length > 0) await groups.commit(group, placed);
    }
  } finally {
    await client.close();
  }
}
