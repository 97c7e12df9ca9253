/** Offsets that transactions have stored in groups and that count once they commit (KIP-98, KIP-447). */

import type { OffsetCommit } from "./offset-store.ts";

/** One offset that waits. */
export interface PendingOffset extends OffsetCommit {
  readonly groupId: string;
  readonly producerId: bigint;
  /** An offset from outside came later, and stays when the transaction commits. */
  readonly isOvertaken: boolean;
}

/** By producer, group, topic and partition: a producer's newest offset replaces its older one. */
export class PendingOffsets {
  readonly #byProducer = new Map<bigint, Map<string, PendingOffset>>();

  /** Everything, for a snapshot. */
  *all(): Generator<PendingOffset> {
    for (const offsets of this.#byProducer.values()) yield* offsets.values();
  }

  /** Notes an offset of an open transaction. */
  add(offset: PendingOffset): void {
    const own = this.#byProducer.get(offset.producerId) ?? new Map<string, PendingOffset>();
    this.#byProducer.set(offset.producerId, own);
    own.set(keyOf(offset), offset);
  }

  /** Notes that an offset was stored from outside while others wait. */
  overtake(at: { readonly groupId: string; readonly topic: string; readonly partition: number }): void {
    const key = keyOf(at);
    for (const own of this.#byProducer.values()) {
      const offset = own.get(key);
      if (offset !== undefined) own.set(key, { ...offset, isOvertaken: true });
    }
  }

  /** Takes out a producer's offsets in some groups. */
  take(producerId: bigint, groupIds: readonly string[]): readonly PendingOffset[] {
    const taken = [...(this.#byProducer.get(producerId)?.values() ?? [])].filter(({ groupId }) =>
      groupIds.includes(groupId),
    );
    this.#remove((offset) => taken.includes(offset));
    return taken;
  }

  /** Forgets the offsets of a group, or of a topic in all groups. */
  forget(what: { readonly groupId: string } | { readonly topic: string }): void {
    this.#remove((offset) => ("groupId" in what ? offset.groupId === what.groupId : offset.topic === what.topic));
  }

  /** Groups in which a producer has offsets waiting. */
  groupsOf(producerId: bigint): readonly string[] {
    return [...new Set([...(this.#byProducer.get(producerId)?.values() ?? [])].map(({ groupId }) => groupId))];
  }

  /** Whether offsets wait for a partition. */
  has(groupId: string, topic: string, partition: number): boolean {
    const key = keyOf({ groupId, topic, partition });
    for (const own of this.#byProducer.values()) if (own.has(key)) return true;
    return false;
  }

  /** Groups in which any offsets wait. */
  groupIds(): ReadonlySet<string> {
    return new Set([...this.all()].map(({ groupId }) => groupId));
  }

  #remove(isGone: (offset: PendingOffset) => boolean): void {
    for (const [producerId, own] of this.#byProducer) {
      for (const [key, offset] of own) if (isGone(offset)) own.delete(key);
      if (own.size === 0) this.#byProducer.delete(producerId);
    }
  }
}

/** The group id comes last: it alone may hold a line break. */
function keyOf(at: { readonly groupId: string; readonly topic: string; readonly partition: number }): string {
  return `${at.partition}\n${at.topic}\n${at.groupId}`;
}
