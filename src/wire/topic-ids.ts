/** Ids for topics of clusters that give none: brokers before Kafka 2.8, and later ones whose `inter.broker.protocol.version` is
 *  older still. They are made of the name, so that whatever goes by id goes by name there: a topic that was deleted and made again
 *  cannot be told apart by them. */

import { createHash } from "node:crypto";
import { type Uuid, ZERO_UUID } from "../core/brand.ts";

/** Kafka draws topic ids at random, which is version 4 of UUIDs; 8 is for everybody's own ways (RFC 9562). */
const VERSION_AT = 6;
const OWN_VERSION = 0x80;
const UUID_BYTES = 16;

/** The id that stands in for one that the cluster does not give. */
export function idOfName(topic: string): Uuid {
  const bytes = createHash("sha256").update(topic).digest().subarray(0, UUID_BYTES);
  bytes[VERSION_AT] = ((bytes[VERSION_AT] ?? 0) & 0x0f) | OWN_VERSION;
  return bytes.toString("base64url") as Uuid;
}

/** True for ids that the cluster knows, too. */
export function isClusterId(topicId: Uuid): boolean {
  if (topicId === ZERO_UUID) return false;
  // Characters 8 and 9 hold the twelve bits from byte 6 on.
  return ((Buffer.from(topicId.slice(8, 10), "base64url")[0] ?? 0) & 0xf0) !== OWN_VERSION;
}
