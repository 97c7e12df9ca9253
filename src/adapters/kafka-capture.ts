/** What an archive keeps of a Kafka cluster beside its records: positions of groups, and the shapes of topics. */

import { listTopics } from "../client/admin.ts";
import { describeConfigs } from "../client/configs.ts";
import { brokerError } from "../client/errors.ts";
import { fetchOffsets, type GroupListing, listGroups } from "../client/groups.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { CapturedGroup, GroupsView } from "../tier/groups.ts";
import type { TopicsView } from "../tier/topic-record.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** Topics per request for settings: an answer of some thirty settings each stays far below a megabyte. */
const TOPICS_MAX = 200;

/** All groups that keep offsets in the cluster. A group whose offsets may not be read is an error: an archive that left it out
 *  unseen would be found wanting when it is too late. @throws {ClientError} */
export function kafkaGroupsView(client: KafkaClient): GroupsView {
  return async () => {
    const [groups, topics] = [(await listGroups(client)).filter(keepsOffsets), await listTopics(client)];
    const ids = new Map(topics.map(({ name, topicId }) => [name, topicId]));
    // The position before an open transaction counts: that is where the group goes on if it is aborted.
    const answers = await fetchOffsets(client, groups, { requireStable: false });
    return groups.flatMap(({ groupId, state }, at): readonly CapturedGroup[] => {
      const answer = answers[at];
      const errorCode = answer?.errorCode ?? ErrorCode.UNKNOWN;
      if (errorCode === ErrorCode.GROUP_ID_NOT_FOUND) return [];
      if (errorCode !== ErrorCode.NONE || answer === undefined)
        throw brokerError("OffsetFetch", errorCode, { subject: `group ${groupId}` });
      const commits = answer.offsets
        .filter((commit) => commit.errorCode === ErrorCode.NONE && commit.committedOffset >= 0n)
        .map((commit) => ({
          topic: commit.topic,
          topicId: ids.get(commit.topic),
          partition: commit.index,
          offset: commit.committedOffset,
          leaderEpoch: commit.committedLeaderEpoch,
          metadata: commit.committedMetadata ?? "",
        }));
      return commits.length === 0 ? [] : [{ group: groupId, state, commits }];
    });
  };
}

/** Topics with the settings made on them. @throws {ClientError} */
export function kafkaTopicsView(client: KafkaClient): TopicsView {
  return async (wanted) => {
    const names = new Set(wanted);
    const topics = (await listTopics(client)).filter(({ name }) => names.has(name));
    const configs = new Map<string, ReadonlyMap<string, string>>();
    for (let at = 0; at < topics.length; at += TOPICS_MAX) {
      const resources = topics.slice(at, at + TOPICS_MAX).map(({ name }) => ({ type: "topic", name }) as const);
      for (const { name, errorCode, errorMessage: message, entries } of await describeConfigs(client, resources)) {
        if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) continue;
        if (errorCode !== ErrorCode.NONE) throw brokerError("DescribeConfigs", errorCode, { subject: name, message });
        const own = [...entries.values()].filter(({ source }) => source === "topic");
        configs.set(name, new Map(own.flatMap((entry) => (entry.value === null ? [] : [[entry.name, entry.value]]))));
      }
    }
    return topics.flatMap(({ name, topicId, partitions }) => {
      const own = configs.get(name);
      if (own === undefined) return [];
      const replicationFactor = partitions[0]?.replicas.length ?? 1;
      return [{ topic: name, topicId, partitions: partitions.length, replicationFactor, configs: own }];
    });
  };
}

/** Groups of other kinds, such as those of Kafka Connect, keep none. */
function keepsOffsets({ protocolType }: GroupListing): boolean {
  return protocolType === "consumer" || protocolType === "";
}
