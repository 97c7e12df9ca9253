/** Says why a source offset was not mirrored, from what the source holds there. */

import { batchesIn } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import { AbortedTransactions } from "./aborted.ts";
import { type ChoiceRules, planBatch } from "./plan.ts";
import type { SourceChunk } from "./ports.ts";
import type { FilterReason } from "./record-filter.ts";

/** What lies at an offset, as a lane sees it. */
export type HoleReason =
  /** The end of a transaction. */
  | { readonly kind: "marker" }
  /** Of a transaction that was aborted. */
  | { readonly kind: "aborted" }
  /** Another lane wrote it there. */
  | { readonly kind: "loop" }
  | { readonly kind: "filtered"; readonly rule: FilterReason }
  /** Nothing any more: compaction or deletion took it. */
  | { readonly kind: "gone" }
  /** A record that the lane would carry: it was passed over for another reason, such as a gap. */
  | { readonly kind: "record" };

/** The reason for an offset from the batches that hold it or come next; undefined when they end before it.
 *  @throws {WireError} when a batch is malformed */
export function holeReason(
  offset: bigint,
  chunk: Pick<SourceChunk, "records" | "aborted">,
  rules: ChoiceRules & { readonly reverseProducerId: bigint },
): HoleReason | undefined {
  const aborted = new AbortedTransactions(chunk.aborted);
  for (const batch of batchesIn(chunk.records)) {
    const isAborted = aborted.covers(batch);
    if (batch.nextOffset <= offset) continue;
    if (batch.baseOffset > offset) return { kind: "gone" };
    const all = { ...rules, filter: undefined, maxBatchBytes: Number.POSITIVE_INFINITY };
    const plan = planBatch(batch, all, batch.baseOffset, isAborted);
    if (plan.kind === "skip") return SKIPPED[plan.reason];
    const record = decodeRecords(batch).find(({ offsetDelta }) => batch.baseOffset + BigInt(offsetDelta) === offset);
    if (record === undefined) return { kind: "gone" };
    const rule = rules.filter?.rejects(record, batch.baseOffset);
    return rule === undefined ? { kind: "record" } : { kind: "filtered", rule };
  }
  return undefined;
}

const SKIPPED = {
  control: { kind: "marker" },
  aborted: { kind: "aborted" },
  loop: { kind: "loop" },
  empty: { kind: "gone" },
  behind: { kind: "gone" },
  filtered: { kind: "gone" },
} as const satisfies Record<string, HoleReason>;
