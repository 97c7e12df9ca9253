/** What the region needs from outside besides the ports of core. */

import type { Uuid } from "../core/brand.ts";

/** Which batches a fetch wants that are no longer on the local disk. */
export interface ColdRead {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
  /** The first batch returned contains this offset. */
  readonly offset: bigint;
  /** Whole batches up to about this many bytes, at least one. */
  readonly maxBytes: number;
}

/** Serves batches whose local segments were tiered away (KIP-405's remote log, as a port). */
export interface ColdStore {
  /** Whole batches, the first one containing `offset`; undefined when the store holds nothing there.
   *  A rejection is answered to the client as a retriable storage error. */
  read(request: ColdRead): Promise<Buffer | undefined>;
}
