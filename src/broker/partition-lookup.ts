/** Finding the partition that a request means, with the errors of Kafka's replica manager. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { Cluster, Topic } from "./cluster.ts";
import { Refusal, type RefusalFault } from "./errors.ts";
import type { Partition } from "./partition.ts";

/** A refusal that names the partition's leader, so that the client need not ask again (KIP-951). */
export class WrongLeader extends Refusal {
  readonly leaderId: number;
  readonly leaderEpoch: number;

  constructor(fault: RefusalFault, leader: { readonly leaderId: number; readonly leaderEpoch: number }) {
    super(fault);
    this.leaderId = leader.leaderId;
    this.leaderEpoch = leader.leaderEpoch;
  }
}

/** The topic by id when the request carries ids, else by name. @throws {Refusal} */
export function requestedTopic(cluster: Cluster, item: { readonly name?: string; readonly topicId?: Uuid }): Topic {
  const isById = item.topicId !== undefined && item.topicId !== ZERO_UUID;
  const topic = isById ? cluster.topicById(item.topicId) : cluster.topic(item.name ?? "");
  if (topic !== undefined) return topic;
  // By name a topic that is missing may just not have reached this broker; an id that is missing never comes back.
  throw refused(isById || item.name === "" ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
}

/** The partition of a topic. @throws {Refusal} UNKNOWN_TOPIC_OR_PARTITION */
export function requestedPartition(topic: Topic, index: number): Partition {
  const partition = topic.partitions[index];
  if (partition === undefined) throw refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  return partition;
}

/** Checks that the broker leads the partition. @throws {WrongLeader} NOT_LEADER_FOR_PARTITION */
export function checkLeads(partition: Partition, brokerId: number): void {
  if (partition.leaderId !== brokerId || partition.isClosed)
    throw wrongLeader(partition, ErrorCode.NOT_LEADER_FOR_PARTITION);
}

/** Checks the epoch that the client believes current; -1 skips the check (KIP-320).
 *  @throws {WrongLeader} FENCED_LEADER_EPOCH @throws {Refusal} UNKNOWN_LEADER_EPOCH */
export function checkLeaderEpoch(partition: Partition, clientEpoch: number): void {
  if (clientEpoch < 0 || clientEpoch === partition.leaderEpoch) return;
  // A client that knows a newer epoch than this broker is not to be told an older leader.
  if (clientEpoch > partition.leaderEpoch) throw refused(ErrorCode.UNKNOWN_LEADER_EPOCH);
  throw wrongLeader(partition, ErrorCode.FENCED_LEADER_EPOCH);
}

/** Builds the refusal for `partition`. */
export function wrongLeader(partition: Partition, errorCode: number): WrongLeader {
  return new WrongLeader({ code: "BROKER_REFUSED", errorCode, reason: null }, partition.state);
}

function refused(errorCode: number): Refusal {
  return new Refusal({ code: "BROKER_REFUSED", errorCode, reason: null });
}
