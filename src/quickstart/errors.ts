/** What can keep the main job's check from running to its end. What the check finds wrong is an `Anomaly` instead. */

import { TributaryError } from "../core/errors.ts";

/** Why the check gave up. */
export type QuickstartFault =
  | {
      /** Something did not get done in time; `what` names it and the place. */
      readonly code: "QUICKSTART_TIMEOUT";
      readonly what: string;
      readonly done: number;
      readonly wanted: number;
      readonly timeoutMs: number;
    }
  | { readonly code: "QUICKSTART_BAD_FLIGHT"; readonly line: number }
  /** Everything is being taken down; nothing new may start. */
  | { readonly code: "QUICKSTART_ENDING" }
  /** A worker was to be killed while it copied, but it had nothing left to copy: the kill would prove nothing. */
  | {
      readonly code: "QUICKSTART_KILL_TOO_LATE";
      readonly kill: number;
      readonly mirrored: number;
      readonly total: number;
    }
  | { readonly code: "QUICKSTART_STATE_IN_USE" | "QUICKSTART_NO_ROOM"; readonly path: string }
  | { readonly code: "QUICKSTART_WORKER_ENDED"; readonly exitCode: number | null; readonly signal: string | null };

/** An operating error of the quickstart. */
export class QuickstartError extends TributaryError<QuickstartFault> {}

/** Gives up waiting. */
export function timedOut(
  facts: Omit<Extract<QuickstartFault, { code: "QUICKSTART_TIMEOUT" }>, "code">,
): QuickstartError {
  const { what, done, wanted, timeoutMs } = facts;
  const message =
    `gave up after ${timeoutMs / 1_000} s waiting for ${what}: ${done} of ${wanted}; ` +
    "try again on a less busy machine; the end of the logs is above";
  return new QuickstartError({ code: "QUICKSTART_TIMEOUT", ...facts }, { message });
}
