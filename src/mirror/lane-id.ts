/** The identity of a lane and the producer id derived from it: names and mirrors do not enter, so that every worker
 *  that ever copies this partition there writes as the same producer. */

import { createHash } from "node:crypto";
import type { LaneIdentity } from "./offset-ports.ts";

/** Bits 47 to 62 of every producer id of a lane: the letters "TR". Bit 63 is zero, so the id is never negative; brokers
 *  allocate ids from 0 upwards and do not come near. */
export const PRODUCER_ID_PREFIX = 0x5452;
const PREFIX_SHIFT = 47n;
const PREFIX = BigInt(PRODUCER_ID_PREFIX);
const HASH_MASK = (1n << PREFIX_SHIFT) - 1n;
/** First byte of the hashed identity; another encoding would need another number. */
const IDENTITY_VERSION = 1;
const UUID_BYTES = 16;

/** The producer id that every worker of this lane writes with: prefix and 47 bits of the identity's SHA-256.
 *  Brokers accept ids that they never allocated. */
export function producerIdOf(lane: LaneIdentity): bigint {
  const digest = createHash("sha256").update(laneIdentity(lane)).digest();
  return (PREFIX << PREFIX_SHIFT) | (digest.readBigUInt64BE(0) & HASH_MASK);
}

/** True when a lane, of this or any other mirror, wrote with this producer id. */
export function isTributaryProducerId(producerId: bigint): boolean {
  return producerId >> PREFIX_SHIFT === PREFIX;
}

/** The lane that copies the other way between the same two partitions. */
export function reverseLane(lane: LaneIdentity): LaneIdentity {
  return {
    sourceClusterId: lane.targetClusterId,
    sourceTopicId: lane.targetTopicId,
    sourcePartition: lane.targetPartition,
    targetClusterId: lane.sourceClusterId,
    targetTopicId: lane.sourceTopicId,
    targetPartition: lane.sourcePartition,
  };
}

/** Unambiguous bytes of an identity: version i8, then per side cluster id (length u16 + UTF-8), topic id (16 bytes),
 *  partition i32. */
export function laneIdentity(lane: LaneIdentity): Buffer {
  return Buffer.concat([
    Buffer.from([IDENTITY_VERSION]),
    sideBytes(lane.sourceClusterId, lane.sourceTopicId, lane.sourcePartition),
    sideBytes(lane.targetClusterId, lane.targetTopicId, lane.targetPartition),
  ]);
}

function sideBytes(clusterId: string, topicId: string, partition: number): Buffer {
  const cluster = Buffer.from(clusterId, "utf8");
  const bytes = Buffer.alloc(2 + cluster.length + UUID_BYTES + 4);
  bytes.writeUInt16BE(cluster.length, 0);
  cluster.copy(bytes, 2);
  Buffer.from(topicId, "base64url").copy(bytes, 2 + cluster.length, 0, UUID_BYTES);
  bytes.writeInt32BE(partition, bytes.length - 4);
  return bytes;
}
