/** What can be wrong with a lane's records in the internal topics. */

import { TributaryError } from "../core/errors.ts";
import { MirrorError } from "./errors.ts";

/** Facts about stored bytes that this program cannot use. */
export type StoredFault =
  | { readonly code: "STORED_MALFORMED"; readonly what: string; readonly why: string }
  /** Written by a newer program. Overwriting it would lose what that program knows: upgrade first. */
  | {
      readonly code: "STORED_VERSION_UNSUPPORTED";
      readonly what: string;
      readonly version: number;
      readonly supportedVersion: number;
    };

/** Stored bytes that cannot be used. */
export class StoredError extends TributaryError<StoredFault> {}

/** What a store throws, as a lane understands it: records that cannot be used stop the lane (to overwrite them would lose
 *  what they hold), every other operating error passes. Programming errors stay what they are. */
export function storeFailure(error: unknown, at: { readonly topic: string; readonly partition: number }): unknown {
  if (error instanceof MirrorError || !(error instanceof TributaryError)) return error;
  const detail = { message: error.message, cause: error };
  if (error instanceof StoredError)
    return new MirrorError({ code: "LANE_UNEXPLAINED", ...at, what: error.message }, detail);
  return new MirrorError({ code: "TARGET_UNAVAILABLE", ...at, why: error.message }, detail);
}
