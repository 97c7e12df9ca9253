/** One member of a classic group: what it offered, what it was assigned, and what it is waiting for. */

import type { Clock, Timer } from "../../core/clock.ts";
import type { JoinResult, SyncResult } from "./results.ts";

/** An assignor with the member's subscription in the assignor's own format. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

/** What a member says of itself when it joins. */
export interface MemberFacts {
  readonly clientId: string;
  readonly clientHost: string;
  readonly groupInstanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  /** In order of preference. */
  readonly protocols: readonly MemberProtocol[];
}

const NOTHING = Buffer.alloc(0);

/** A member; mutated by its group only. A waiting member is alive by definition, its session does not run out. */
export class Member {
  readonly memberId: string;
  readonly #clock: Clock;
  facts: MemberFacts;
  assignment: Buffer = NOTHING;
  #joining: ((result: JoinResult) => void) | undefined;
  #syncing: ((result: SyncResult) => void) | undefined;
  #deadlineMs = 0;
  #timer: Timer | undefined;

  constructor(memberId: string, facts: MemberFacts, clock: Clock) {
    this.memberId = memberId;
    this.facts = facts;
    this.#clock = clock;
  }

  get isJoining(): boolean {
    return this.#joining !== undefined;
  }
  get isSyncing(): boolean {
    return this.#syncing !== undefined;
  }

  /** Waits for the rebalance; a second request takes the place of the first. */
  join(): Promise<JoinResult> {
    return new Promise((resolve) => {
      this.#joining = resolve;
    });
  }
  answerJoin(result: JoinResult): void {
    this.#joining?.(result);
    this.#joining = undefined;
  }

  /** Waits for the leader's assignment. */
  sync(): Promise<SyncResult> {
    return new Promise((resolve) => {
      this.#syncing = resolve;
    });
  }
  answerSync(result: SyncResult): void {
    this.#syncing?.(result);
    this.#syncing = undefined;
  }

  /** The metadata for one assignor. */
  metadata(protocol: string): Buffer {
    return this.facts.protocols.find(({ name }) => name === protocol)?.metadata ?? NOTHING;
  }

  /** Whether the member offers the same as before, so that joining again changes nothing. */
  offersSame(protocols: readonly MemberProtocol[]): boolean {
    const own = this.facts.protocols;
    return (
      own.length === protocols.length &&
      own.every(
        ({ name, metadata }, i) => protocols[i]?.name === name && metadata.equals(protocols[i]?.metadata ?? NOTHING),
      )
    );
  }

  /** Starts the session anew. One timer per session length, not per heartbeat: it looks at the deadline when it fires. */
  renewSession(onExpired: () => void): void {
    this.#deadlineMs = this.#clock.monotonicMs() + this.facts.sessionTimeoutMs;
    if (this.#timer === undefined) this.#watch(onExpired);
  }

  /** Stops the session's timer. Idempotent. */
  endSession(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #watch(onExpired: () => void): void {
    const leftMs = Math.max(0, this.#deadlineMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.after(leftMs, () => {
      this.#timer = undefined;
      if (this.isJoining || this.isSyncing) this.#deadlineMs = this.#clock.monotonicMs() + this.facts.sessionTimeoutMs;
      if (this.#clock.monotonicMs() < this.#deadlineMs) this.#watch(onExpired);
      else onExpired();
    });
  }
}
