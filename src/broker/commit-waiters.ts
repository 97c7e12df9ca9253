/** Producers that wait with acks=all until the high watermark covers what they appended. */

/** How a wait ended. */
export type CommitOutcome = "committed" | "leader-changed";

interface Waiter {
  readonly offset: bigint;
  readonly done: (outcome: CommitOutcome) => void;
}

/** Waiters in the order of the offset they need; nearly always that is the order of arrival. Bounded by the requests in
 *  work, of which a connection has one. */
export class CommitWaiters {
  #waiters: Waiter[] = [];

  get size(): number {
    return this.#waiters.length;
  }

  /** Calls `done` once when the high watermark reaches `offset` (exclusive end) or the leader changes.
   *  The result takes the wait back. */
  add(offset: bigint, done: (outcome: CommitOutcome) => void): () => void {
    const waiter = { offset, done };
    let at = this.#waiters.length;
    while (at > 0 && (this.#waiters[at - 1]?.offset ?? 0n) > offset) at--;
    this.#waiters.splice(at, 0, waiter);
    return () => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    };
  }

  /** The high watermark is now here. */
  release(highWatermark: bigint): void {
    while (this.#waiters.length > 0 && (this.#waiters[0]?.offset ?? 0n) <= highWatermark)
      this.#waiters.shift()?.done("committed");
  }

  /** Whoever waits must ask the new leader. */
  failAll(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.done("leader-changed");
  }
}
