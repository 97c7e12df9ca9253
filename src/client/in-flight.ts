/** The exchanges of one connection: what waits to be sent, what waits for its answer, what nobody waits for any more. */

import type { Timer } from "../core/clock.ts";

/** One request from being handed over until its end. */
export interface Exchange {
  readonly correlationId: number;
  readonly api: string;
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly expectsResponse: boolean;
  /** When it was written. */
  sentMs: number;
  /** Settles the caller's promise; exactly one of the two is called, once. */
  readonly onFrame: (frame: Buffer) => void;
  readonly onError: (error: unknown) => void;
}

/** Bounds of a connection's exchanges. */
export interface InFlightLimits {
  /** Requests sent and not answered. */
  readonly requestsMax: number;
  /** Their bytes; a larger single request goes alone. */
  readonly bytesMax: number;
  /** Requests that wait for the two limits above. */
  readonly waitingMax: number;
}

/** Bookkeeping only: decides what may be sent next, never sends. */
export class InFlight {
  readonly #limits: InFlightLimits;
  readonly #waiting: Exchange[] = [];
  /** In the order of sending, which is that of the answers, so that the first is nearly always the one looked for. No map: taking the
   *  last entry out of one makes a new table that the old one refers to, and the garbage of all later requests hangs on that chain
   *  until the whole heap is collected. */
  readonly #sent: Exchange[] = [];
  readonly #orphans = new Set<number>();
  #sentBytes = 0;

  constructor(limits: InFlightLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get sent(): number {
    return this.#sent.length;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Answers still to come that nobody waits for. */
  get orphans(): number {
    return this.#orphans.size;
  }

  /** Queues a request; false when too many wait. */
  enqueue(exchange: Exchange): boolean {
    if (this.#waiting.length >= this.#limits.waitingMax) return false;
    this.#waiting.push(exchange);
    return true;
  }

  /** The next request to write, now counted as sent; undefined while the limits forbid it. */
  next(): Exchange | undefined {
    const head = this.#waiting[0];
    if (head === undefined || this.#sent.length >= this.#limits.requestsMax) return undefined;
    if (this.#sent.length > 0 && this.#sentBytes + head.bytes > this.#limits.bytesMax) return undefined;
    this.#waiting.shift();
    if (head.expectsResponse) {
      this.#sent.push(head);
      this.#sentBytes += head.bytes;
    }
    return head;
  }

  /** The request that a response belongs to; "orphan" when it was given up, undefined when it was never asked. */
  answered(correlationId: number): Exchange | "orphan" | undefined {
    const exchange = this.#remove(correlationId);
    if (exchange !== undefined) return exchange;
    return this.#orphans.delete(correlationId) ? "orphan" : undefined;
  }

  /** Stops waiting for a request; true when it had been sent, so that its answer becomes an orphan. */
  giveUp(correlationId: number): boolean {
    const at = this.#waiting.findIndex((exchange) => exchange.correlationId === correlationId);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#remove(correlationId) === undefined) return false;
    this.#orphans.add(correlationId);
    return true;
  }

  /** Whether an answer to this id is still to come. */
  isOpen(correlationId: number): boolean {
    return this.#indexOf(correlationId) >= 0 || this.#orphans.has(correlationId);
  }

  /** Takes everything out, in the order of sending. */
  drain(): { readonly sent: readonly Exchange[]; readonly waiting: readonly Exchange[] } {
    const sent = this.#sent.splice(0);
    const waiting = this.#waiting.splice(0);
    this.#orphans.clear();
    this.#sentBytes = 0;
    return { sent, waiting };
  }

  #remove(correlationId: number): Exchange | undefined {
    const at = this.#indexOf(correlationId);
    const exchange = this.#sent[at];
    if (exchange === undefined) return undefined;
    if (at === 0) this.#sent.shift();
    else this.#sent.splice(at, 1);
    this.#sentBytes -= exchange.bytes;
    return exchange;
  }

  #indexOf(correlationId: number): number {
    for (let at = 0; at < this.#sent.length; at++) if (this.#sent[at]?.correlationId === correlationId) return at;
    return -1;
  }
}

/** Joins a timeout and an abort signal; the result takes both back. */
export function arm(options: {
  readonly timer: Timer;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
}): () => void {
  options.signal?.addEventListener("abort", options.onAbort, { once: true });
  return () => {
    options.timer.cancel();
    options.signal?.removeEventListener("abort", options.onAbort);
  };
}
