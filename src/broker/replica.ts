/** One replica of a partition: a position in the partition's only log, and how it follows the leader. */

import type { Clock, Timer } from "../core/clock.ts";
import { lowerOffset } from "./offset-order.ts";

/** How a broker's replicas follow: after a delay, or not at all. */
export type FollowPolicy =
  | { readonly kind: "following"; readonly delayMs: number }
  /** The broker runs, answers and is listed, but its replicas fetch nothing. */
  | { readonly kind: "held" }
  | { readonly kind: "stopped" };

/** What a replica needs to know about its partition. */
export interface ReplicaSource {
  readonly clock: Clock;
  /** The leader's log end. */
  end(): bigint;
  /** Called after `next` moved by itself, that is after a delay. */
  advanced(): void;
}

/** A replica's position never passes the leader's log end. */
export class Replica {
  readonly brokerId: number;
  readonly #source: ReplicaSource;
  #policy: FollowPolicy = { kind: "stopped" };
  #next: bigint;
  #caughtUpMs = 0;
  #timer: Timer | undefined;

  constructor(brokerId: number, next: bigint, source: ReplicaSource) {
    this.brokerId = brokerId;
    this.#next = next;
    this.#source = source;
  }

  /** The replica's own log end offset. */
  get next(): bigint {
    return this.#next;
  }

  get isCaughtUp(): boolean {
    return this.#next >= this.#source.end();
  }

  /** Milliseconds (monotonic) at which the replica last had everything. */
  get caughtUpMs(): number {
    return this.isCaughtUp ? this.#source.clock.monotonicMs() : this.#caughtUpMs;
  }

  /** Changes how the replica follows from now on. */
  setPolicy(policy: FollowPolicy): void {
    this.#policy = policy;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The leader itself: always at the end. */
  moveToEnd(): void {
    this.#next = this.#source.end();
    this.#caughtUpMs = this.#source.clock.monotonicMs();
  }

  /** The log was cut: what lies behind the cut is gone on this replica too. */
  cutTo(offset: bigint): void {
    if (this.#next > offset) this.#next = offset;
  }

  /** Fetches from the leader: at once when there is no delay, else everything that is there now after the delay. */
  follow(): void {
    if (this.#policy.kind !== "following" || this.#timer !== undefined || this.isCaughtUp) return;
    if (this.#policy.delayMs <= 0) {
      this.moveToEnd();
      return;
    }
    const target = this.#source.end();
    const askedMs = this.#source.clock.monotonicMs();
    this.#timer = this.#source.clock.after(this.#policy.delayMs, () => {
      this.#timer = undefined;
      this.#next = lowerOffset(target, this.#source.end());
      this.#caughtUpMs = askedMs;
      this.#source.advanced();
      this.follow();
    });
  }

  /** Stops following for good. Idempotent. */
  close(): void {
    this.setPolicy({ kind: "stopped" });
  }
}
