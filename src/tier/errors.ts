/** What can go wrong in the archive. */

import { TributaryError } from "../core/errors.ts";

/** Facts of a failed store operation. */
export type StoreFault =
  | { readonly code: "STORE_MISSING"; readonly location: string; readonly key: string }
  | { readonly code: "STORE_BAD_KEY"; readonly location: string; readonly key: string }
  | { readonly code: "STORE_NO_BUCKET"; readonly location: string; readonly key: string }
  | {
      readonly code:
        | "STORE_FAILED"
        /** The credentials are wrong, or do not allow it. */
        | "STORE_DENIED"
        /** The clocks of both sides differ by more than the store bears. */
        | "STORE_CLOCK_SKEW"
        | "STORE_FULL"
        /** The store lacks something that the archive cannot do without. */
        | "STORE_UNSUPPORTED"
        /** What arrived was not what was sent. */
        | "STORE_CORRUPT"
        /** No answer in time, or one that says: later. */
        | "STORE_UNAVAILABLE";
      readonly location: string;
      readonly key: string;
      readonly reason: string;
    };

/** An operating error of an object store. */
export class StoreError extends TributaryError<StoreFault> {}

/** Facts about an archive that contradicts itself. */
export type ArchiveFault =
  | { readonly code: "ARCHIVE_BAD_MANIFEST"; readonly key: string; readonly what: string }
  | {
      readonly code: "ARCHIVE_BROKEN_CHAIN";
      readonly key: string;
      readonly expectedSha256: string;
      readonly actualSha256: string;
    }
  | { readonly code: "ARCHIVE_NEWER_FORMAT"; readonly key: string; readonly formatVersion: string }
  /** The bytes of an object are not what was archived. */
  | { readonly code: "ARCHIVE_CORRUPT"; readonly key: string; readonly what: string }
  | {
      readonly code: "ARCHIVE_READ_BACK_DIFFERS";
      readonly key: string;
      readonly expectedSha256: string;
      readonly actualSha256: string;
    }
  | {
      readonly code: "ARCHIVE_WRONG_SIZE";
      readonly key: string;
      readonly expectedBytes: number;
      readonly actualBytes: number;
    }
  | {
      /** Several archives answer to the name that was given. */
      readonly code: "ARCHIVE_AMBIGUOUS";
      readonly topic: string;
      readonly candidates: readonly string[];
    }
  | { readonly code: "ARCHIVE_UNKNOWN"; readonly topic: string; readonly partition?: number | undefined }
  | { readonly code: "PARQUET_NOT_TEXT"; readonly topic: string; readonly partition: number; readonly offset: bigint }
  | {
      readonly code: "ARCHIVE_GAP";
      readonly topic: string;
      readonly partition: number;
      readonly archivedTo: bigint;
      readonly localFrom: bigint;
    }
  | {
      /** The cluster lost records that are in the archive, and may have others at their offsets. */
      readonly code: "ARCHIVE_DIVERGED";
      readonly topic: string;
      readonly partition: number;
      readonly archivedTo: bigint;
      readonly clusterEnd: bigint;
    }
  | {
      /** There are segments, and no manifest that names them. */
      readonly code: "ARCHIVE_MANIFESTS_GONE";
      readonly location: string;
      readonly prefix: string;
      readonly localFrom: bigint;
    }
  | {
      readonly code: "ARCHIVE_CONTENDED";
      readonly topic: string;
      readonly partition: number;
      readonly attempts: number;
    };

/** An operating error of the archive. */
export class ArchiveError extends TributaryError<ArchiveFault> {}
