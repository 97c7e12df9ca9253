/** Is the copy right: compares what the independent reader found on both sides, and what the product says of offsets. */

import type { OffsetTranslator } from "../../src/quickstart/check-offsets.ts";
import type { ReadRecord } from "./kcat-records.ts";
import type { Outcome } from "./ledger.ts";

/** One lane as the reader found it, both sides in order of offset. */
export interface LaneRead {
  readonly partition: number;
  readonly source: readonly ReadRecord[];
  /** First offset of the source partition, and the one after its last, markers included. */
  readonly sourceStart: number;
  readonly sourceEnd: number;
  readonly target: readonly ReadRecord[];
}

/** How a copy can be wrong. `foreign`: on the target, but not in this partition of the source; an aborted record is one. */
export const KINDS = ["lost", "duplicated", "reordered", "mutated", "foreign", "offset", "source"] as const;

/** What was found: how many of each kind, and the first of them in words. */
export interface Findings {
  readonly mirrored: number;
  /** Of these, records of 2001. */
  readonly mirroredOld: number;
  readonly counts: Readonly<Record<(typeof KINDS)[number], number>>;
  /** Offsets asked for, both directions. */
  readonly offsetsChecked: number;
  readonly details: readonly string[];
}

/** Enough to see what went wrong, few enough to be read. */
const DETAILS_MAX = 40;
const YEAR_2002_MS = Date.UTC(2002, 0);

/** Compares all lanes. `outcomeOf` is the ledger's word on what was sent; a source that contradicts it proves nothing. */
export function check(
  lanes: readonly LaneRead[],
  outcomes: { readonly sent: number; outcomeOf(id: number): Outcome | undefined },
  translatorOf: (lane: LaneRead) => OffsetTranslator,
): Findings {
  const found = new Finder();
  checkSource(lanes, outcomes, found);
  for (const lane of lanes) {
    checkLane(lane, found);
    checkOffsets(lane, translatorOf(lane), found);
  }
  return found.result();
}

class Finder {
  mirrored = 0;
  mirroredOld = 0;
  offsetsChecked = 0;
  readonly #counts: Record<(typeof KINDS)[number], number> = {
    lost: 0,
    duplicated: 0,
    reordered: 0,
    mutated: 0,
    foreign: 0,
    offset: 0,
    source: 0,
  };
  readonly #details: string[] = [];

  add(kind: (typeof KINDS)[number], detail: string): void {
    this.#counts[kind]++;
    if (this.#details.length < DETAILS_MAX) this.#details.push(`${kind}: ${detail}`);
  }

  result(): Findings {
    const { mirrored, mirroredOld, offsetsChecked } = this;
    return { mirrored, mirroredOld, offsetsChecked, counts: this.#counts, details: this.#details };
  }
}

/** The source holds what was acknowledged, once, and nothing that was aborted. */
function checkSource(
  lanes: readonly LaneRead[],
  outcomes: { readonly sent: number; outcomeOf(id: number): Outcome | undefined },
  found: Finder,
): void {
  const seen = new Set<number>();
  for (const { source } of lanes) {
    for (const record of source) {
      const outcome = outcomes.outcomeOf(record.id);
      if (outcome === undefined || outcome === "aborted")
        found.add("source", `${place(record)} was ${outcome ?? "never sent"}`);
      if (seen.has(record.id)) found.add("source", `${place(record)} is there twice`);
      seen.add(record.id);
    }
  }
  for (let id = 0; id < outcomes.sent; id++) {
    if (outcomes.outcomeOf(id) === "acknowledged" && !seen.has(id)) found.add("source", `record ${id} is not there`);
  }
}

/** Every record of the source once in the target, in the same order, equal in every part, and nothing else. */
function checkLane({ source, target }: LaneRead, found: Finder): void {
  const placeOf = new Map(source.map((record, index) => [record.id, index]));
  const copies = new Map<number, ReadRecord>();
  let furthest = -1;
  for (const record of target) {
    const index = placeOf.get(record.id);
    const original = index === undefined ? undefined : source[index];
    if (index === undefined || original === undefined) {
      found.add("foreign", `${place(record)} is not in the source partition`);
      continue;
    }
    const first = copies.get(index);
    if (first !== undefined) {
      found.add("duplicated", `${place(record)} is already at offset ${first.offset}`);
      continue;
    }
    copies.set(index, record);
    if (index < furthest) found.add("reordered", `${place(record)} comes after a later one`);
    furthest = Math.max(furthest, index);
    if (record.digest !== original.digest) found.add("mutated", `${place(record)} differs from ${place(original)}`);
  }
  for (const [index, record] of source.entries()) {
    if (!copies.has(index)) found.add("lost", `${place(record)} is not on the target`);
  }
  found.mirrored += copies.size;
  for (const { timestampMs } of copies.values()) if (timestampMs < YEAR_2002_MS) found.mirroredOld++;
}

/** Every offset from start to end, the end and those of markers included, leads to its next unread record, both ways. */
function checkOffsets(lane: LaneRead, translator: OffsetTranslator, found: Finder): void {
  const { partition, source, target } = lane;
  const targetEnd = (target.at(-1)?.offset ?? -1) + 1;
  const forward = { from: source, start: lane.sourceStart, end: lane.sourceEnd, to: target, toEnd: targetEnd };
  for (const { offset, wanted } of nextUnread(forward)) {
    const given = translator.translate(BigInt(offset));
    found.offsetsChecked++;
    if (given !== BigInt(wanted)) {
      found.add(
        "offset",
        `${partition}: ${offset} translates to ${given ?? "nothing"}, its next record is at ${wanted}`,
      );
    }
  }
  const first = target[0]?.offset ?? 0;
  const backward = { from: target, start: first, end: targetEnd, to: source, toEnd: lane.sourceEnd };
  for (const { offset, wanted, atEnd } of nextUnread(backward)) {
    if (atEnd) continue;
    const given = translator.reverse(BigInt(offset));
    found.offsetsChecked++;
    if (given !== BigInt(wanted)) {
      found.add(
        "offset",
        `${partition}: target ${offset} is ${given ?? "nothing"}, its next record came from ${wanted}`,
      );
    }
  }
}

interface Sides {
  readonly from: readonly ReadRecord[];
  readonly start: number;
  readonly end: number;
  readonly to: readonly ReadRecord[];
  readonly toEnd: number;
}

/** For each offset of `from`: where the copy of the first record at or after it is. From the end back, in one pass. */
function nextUnread(sides: Sides): readonly { offset: number; wanted: number; atEnd: boolean }[] {
  const copies = new Map<number, number>();
  for (const { id, offset } of sides.to) if (!copies.has(id)) copies.set(id, offset);
  let place = sides.from.length - 1;
  let wanted = sides.toEnd;
  let atEnd = true;
  const answers: { offset: number; wanted: number; atEnd: boolean }[] = [];
  for (let offset = sides.end; offset >= sides.start; offset--) {
    const record = sides.from[place];
    if (record?.offset === offset) {
      place--;
      const copy = copies.get(record.id);
      // A record without a copy is lost, which is counted as such; a reader goes on at the one after it.
      if (copy !== undefined) {
        wanted = copy;
        atEnd = false;
      }
    }
    answers.push({ offset, wanted, atEnd });
  }
  return answers.reverse();
}

function place({ id, partition, offset }: ReadRecord): string {
  return `record ${id} at ${partition}/${offset}`;
}
