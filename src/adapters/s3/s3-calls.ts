/** Requests to an S3-compatible server: each attempt has a deadline, passing trouble is tried again, and a server that asks for
 *  less gets less at once. */

import { backoffMs } from "../../core/backoff.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { StoreError } from "../../tier/errors.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { type S3Place, statusOf, storeError } from "./s3-errors.ts";

/** Attempts of one request. With the pauses between them, a server may be away for some seconds. */
const ATTEMPTS_MAX = 5;
/** Time for a request that carries no data. */
const ATTEMPT_MS = 10_000;
/** And for its data at least this rate: slower is as good as hung. */
const BYTES_PER_SECOND_MIN = 256 * 1024;
const REQUESTS_INITIAL = 8;
const REQUESTS_MAX = 32;
/** Between attempts. */
const BACKOFF = { initialMs: 100, maxMs: 5_000 };

/** One request. */
export interface S3Call<T> extends S3Place {
  /** Bytes sent or expected, for the deadline. */
  readonly bytes?: number;
  /** Ends it, with its reason, when nobody wants the answer any more. */
  readonly signal?: AbortSignal | undefined;
  /** Sends it once; `signal` aborts at the deadline, or when the call ends. */
  readonly send: (signal: AbortSignal) => Promise<T>;
}

/** Sends requests for one store. */
export class S3Calls {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limit: AdaptiveLimit;
  readonly #endpoint: string | undefined;

  /** `endpoint` is for messages. */
  constructor(deps: { readonly clock: Clock; readonly random: Random }, endpoint?: string) {
    this.#endpoint = endpoint;
    this.#clock = deps.clock;
    this.#random = deps.random;
    const nowMs = (): number => deps.clock.monotonicMs();
    this.#limit = new AdaptiveLimit({ initial: REQUESTS_INITIAL, max: REQUESTS_MAX, nowMs });
  }

  /** Requests that may be under way at once. */
  get requestsMax(): number {
    return this.#limit.current;
  }

  /** @throws {StoreError}, or the signal's reason */
  async run<T>(call: S3Call<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#limit.run(() => this.#attempt(call));
        this.#limit.grow();
        return answer;
      } catch (error) {
        call.signal?.throwIfAborted();
        if (isTooMuch(error)) this.#limit.shrink();
        const fault = storeError(call, error, this.#endpoint);
        const code = fault instanceof StoreError ? fault.fault.code : undefined;
        // The SDK learns the server's time from such an answer, and signs the next request with that.
        if (code === "STORE_CLOCK_SKEW" && attempt === 1) continue;
        if (code !== "STORE_UNAVAILABLE" || attempt === ATTEMPTS_MAX) throw fault;
        await sleep(this.#clock, backoffMs(attempt, this.#random, BACKOFF), call.signal);
      }
    }
  }

  async #attempt<T>({ bytes = 0, send, signal }: S3Call<T>): Promise<T> {
    signal?.throwIfAborted();
    const deadline = new AbortController();
    const timer = this.#clock.after(ATTEMPT_MS + (bytes / BYTES_PER_SECOND_MIN) * 1_000, () => deadline.abort());
    try {
      return await send(signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, signal]));
    } finally {
      timer.cancel();
    }
  }
}

function isTooMuch(error: unknown): boolean {
  const status = statusOf(error);
  return status === 503 || status === 429;
}
