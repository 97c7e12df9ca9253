/** What can be wrong with a lane's records in the internal topics. */

import { TributaryError } from "../core/errors.ts";

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
