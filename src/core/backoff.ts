/** How long to wait before the n-th retry: exponential, capped, with jitter so that many lanes do not retry at once. */

import type { Random } from "./random.ts";

/** Bounds of a backoff. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Defaults: half a local round trip of a broker restart at first, one second at most, so that a lane moves within 2 s. */
export const DEFAULT_BACKOFF: BackoffOptions = { initialMs: 20, maxMs: 1_000 };

/** Milliseconds before retry `attempt` (1 = the first retry), between half and all of the exponential value. */
export function backoffMs(attempt: number, random: Random, options: BackoffOptions = DEFAULT_BACKOFF): number {
  const full = Math.min(options.maxMs, options.initialMs * 2 ** Math.min(attempt - 1, 30));
  return full / 2 + (full / 2) * random.next();
}
