/** What a fetch brought, as far as the source must know: where it ends, and whether it is of an older format. */

import type { SourcePosition } from "../mirror/ports.ts";
import { isOldFormat, upgradeMessages } from "../wire/message-set.ts";
import { batchesIn } from "../wire/record-batch.ts";

/** See `lookInto`. */
export interface FetchedContents {
  /** The position after the last whole batch; undefined when there is none. */
  readonly next: SourcePosition | undefined;
  /** The same as batches, when some are messages of an older format. */
  readonly upgraded?: Buffer;
}

/** Bytes that are no batches are handed on as they are: the lane stops at them with their offset. */
export function lookInto(records: Buffer): FetchedContents {
  let next: SourcePosition | undefined;
  try {
    for (const batch of batchesIn(records)) next = { offset: batch.nextOffset, leaderEpoch: batch.leaderEpoch };
  } catch (error) {
    const upgraded = isOldFormat(error) ? tryUpgrade(records) : undefined;
    return upgraded === undefined
      ? { next: next ?? { offset: 0n, leaderEpoch: -1 } }
      : { ...lookInto(upgraded), upgraded };
  }
  return { next };
}

function tryUpgrade(records: Buffer): Buffer | undefined {
  try {
    return upgradeMessages(records);
  } catch {
    return undefined;
  }
}
