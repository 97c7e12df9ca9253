/** Where a lane stands whose records retention removed from the source before they could be counted again.
 *
 *  ```
 *  source   | known |///// removed /////| a b c d e      the target's last record is c: two more, and the place, are behind c
 *  ```
 *  How many records were in what is gone nobody can say, since offsets without records (compaction, markers, filters) were in it, too. The
 *  target's last record tells: either it is among the first ones that are left, or it was removed with all before it. */

import type { BatchView } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import type { SourceRun } from "./rewrite.ts";
import { isWitnessed, type Witness } from "./witness.ts";

/** What is sought, and behind what. */
export interface GapSearchRequest {
  /** The removed offsets: [fromOffset, toOffset). */
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  /** Records that were copied from `fromOffset` on; more than 0. */
  readonly records: bigint;
  /** The last of them. */
  readonly last: Witness;
}

/** What was found. */
export type GapVerdict =
  /** The last record is still there. Those before it that are gone are said to lie at the end of the gap: no later than they can have. */
  | {
      readonly kind: "behind";
      readonly runs: readonly SourceRun[];
      readonly batch: BatchView;
      readonly offset: bigint;
    }
  /** All of them are gone: the lane stands somewhere in the gap. */
  | { readonly kind: "inside" }
  /** Compaction may have taken the last record, or several look like it. */
  | { readonly kind: "unclear" };

interface Match {
  readonly batch: BatchView;
  readonly offset: bigint;
  readonly runs: readonly SourceRun[];
}

/** Takes the records behind the gap in order, until it has as many as were copied. */
export class GapSearch {
  readonly #request: GapSearchRequest;
  readonly #runs: SourceRun[] = [];
  readonly #matches: Match[] = [];
  #seen = 0n;
  #hasHoles = false;

  constructor(request: GapSearchRequest) {
    this.#request = request;
  }

  get isDone(): boolean {
    return this.#seen === this.#request.records;
  }

  /** Offsets without a record were met. */
  noteHole(): void {
    this.#hasHoles = true;
  }

  /** Records of `batch` that the lane copies. @throws {WireError} when it is malformed */
  add({ sourceStart, length }: SourceRun, batch: BatchView): void {
    const { records, fromOffset, toOffset, last } = this.#request;
    const left = records - this.#seen;
    const taken = left < BigInt(length) ? Number(left) : length;
    const end = sourceStart + BigInt(taken);
    for (const record of taken === 0 ? [] : decodeRecords(batch)) {
      const offset = batch.baseOffset + BigInt(record.offsetDelta);
      if (offset < sourceStart || offset >= end || !isWitnessed(last, record)) continue;
      const upTo = { sourceStart, length: Number(offset - sourceStart) + 1 };
      const gone = records - this.#seen - BigInt(upTo.length);
      // More than the gap had offsets for.
      if (gone > toOffset - fromOffset) continue;
      const before = gone === 0n ? [] : [{ sourceStart: toOffset - gone, length: Number(gone) }];
      this.#matches.push({ batch, offset, runs: [...before, ...this.#runs, upTo] });
    }
    if (taken > 0) this.#runs.push({ sourceStart, length: taken });
    this.#seen += BigInt(taken);
  }

  /** From what was added. */
  get verdict(): GapVerdict {
    const { records, fromOffset, toOffset, last } = this.#request;
    const [match, ...others] = this.#matches;
    if (match === undefined)
      return this.#hasHoles || records > toOffset - fromOffset ? { kind: "unclear" } : { kind: "inside" };
    // Without its time a record looks like many others.
    if (others.length > 0 || last.timestampMs === undefined) return { kind: "unclear" };
    return { kind: "behind", ...match };
  }
}
