/** How a writer is told that a newer one has its transactional id. */

import { ErrorCode } from "../../wire/error-codes.ts";

/** The code for a client: old versions of a request know only INVALID_PRODUCER_EPOCH for a fenced writer (KIP-588). */
export function fencedCode(errorCode: number, knowsFenced: boolean): number {
  return errorCode === ErrorCode.PRODUCER_FENCED && !knowsFenced ? ErrorCode.INVALID_PRODUCER_EPOCH : errorCode;
}
