/** What can go wrong with a partition's log, apart from the disk itself. */

import { TributaryError } from "../../core/errors.ts";

/** Facts about a request that the log cannot serve, or about files that are not what they should be. */
export type LogFault =
  | {
      readonly code: "LOG_OFFSET_OUT_OF_RANGE";
      readonly offset: bigint;
      readonly localStartOffset: bigint;
      readonly endOffset: bigint;
    }
  | { readonly code: "LOG_SEGMENT_MISSING"; readonly baseOffset: bigint }
  | { readonly code: "LOG_WRONG_TOPIC"; readonly path: string; readonly expected: string; readonly actual: string }
  | { readonly code: "LOG_BAD_FILE"; readonly path: string; readonly what: string }
  | { readonly code: "LOG_CLOSED"; readonly path: string };

/** An operating error of the log. */
export class LogError extends TributaryError<LogFault> {}
