/** Which broker keeps a group or a transactional id: as the leaders of Kafka's two internal topics would be spread. */

import type { Cluster } from "./cluster.ts";

/** The slot, Kafka's partition of the internal topic, that a key belongs to. */
export function slotOf(key: string, slots: number): number {
  return Math.abs(javaHash(key)) % slots;
}

/** The broker that keeps a slot now, moved on to the next one while it is down; -1 when none runs. */
export function brokerOfSlot(slot: number, { brokers }: Pick<Cluster, "brokers">): number {
  const ids = [...brokers.keys()];
  const first = slot % ids.length;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[(first + i) % ids.length] ?? -1;
    if (brokers.get(id)?.isRunning) return id;
  }
  return -1;
}

/** Java's `String.hashCode`, with which Kafka spreads keys. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash === -(2 ** 31) ? 0 : hash;
}
