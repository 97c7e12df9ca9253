/** The batches of one lane that are in flight: bounded, and settled strictly in the order in which they were sent. */

import type { TargetFault } from "./errors.ts";
import type { AppendOutcome } from "./ports.ts";

/** Batches in flight per lane: a broker remembers the last five of a producer and answers their repeats. */
export const IN_FLIGHT_MAX = 5;

/** What the window tells its owner. */
export interface WindowEvents<Sent> {
  /** Called in send order. Answers a fault when the acknowledgement contradicts what the lane knows. */
  readonly onAck: (sent: Sent, baseOffset: bigint) => TargetFault | undefined;
  /** Called once, when the first failure is known. */
  readonly onFault: () => void;
}

interface Entry<Sent> {
  readonly sent: Sent;
  outcome: AppendOutcome | undefined;
}

/** After the first failure nothing more is acknowledged ("Progress never passes the ack"): what was sent behind it is for
 *  takeover to find out. */
export class AckWindow<Sent> {
  readonly #events: WindowEvents<Sent>;
  readonly #entries: Entry<Sent>[] = [];
  #fault: TargetFault | undefined;
  #crash: unknown;
  #wake: (() => void) | undefined;

  constructor(events: WindowEvents<Sent>) {
    this.#events = events;
  }

  /** Batches sent and not yet settled. */
  get size(): number {
    return this.#entries.length;
  }
  /** The first failure. */
  get fault(): TargetFault | undefined {
    return this.#fault;
  }

  /** Adds a batch whose outcome is awaited here from now on. */
  push(sent: Sent, outcome: Promise<AppendOutcome>): void {
    const entry: Entry<Sent> = { sent, outcome: undefined };
    this.#entries.push(entry);
    void outcome.then((settled) => {
      entry.outcome = settled;
      this.#settle();
    });
  }

  /** Resolves when fewer than `limit` batches are in flight, or one failed. One waiter at a time.
   *  Rethrows what `onAck` threw. */
  async below(limit: number): Promise<void> {
    while (this.#entries.length >= limit && this.#fault === undefined && this.#crash === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#crash !== undefined) throw this.#crash;
  }

  #settle(): void {
    while (this.#fault === undefined && this.#crash === undefined) {
      const head = this.#entries[0];
      if (head?.outcome === undefined) break;
      this.#entries.shift();
      if (head.outcome.kind === "failed") this.#fault = head.outcome.fault;
      else this.#acknowledge(head.sent, head.outcome.baseOffset);
      if (this.#fault !== undefined || this.#crash !== undefined) this.#events.onFault();
    }
    this.#wake?.();
    this.#wake = undefined;
  }

  #acknowledge(sent: Sent, baseOffset: bigint): void {
    try {
      this.#fault = this.#events.onAck(sent, baseOffset);
    } catch (thrown) {
      this.#crash = thrown;
    }
  }
}
