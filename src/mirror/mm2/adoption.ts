/** Finds where a lane goes on that MirrorMaker 2 copied until now, so that no record is missing and none is there twice. */

import { earlier, later } from "../offset-order.ts";
import type { PartitionBounds, Source, TopicPartition } from "../ports.ts";
import { readPrints } from "./record-prints.ts";
import type { StoredPosition } from "./stored-positions.ts";
import { type RecordPrint, type SourceStretch, tailCandidates } from "./tail-match.ts";

/** Offsets looked at on each side at first: MirrorMaker notes its position each minute, so most of the time far more than enough. */
const WINDOW_OFFSETS = 65_536n;
/** Offsets looked at before giving up; doubles up to there while nothing fits. */
const WINDOW_OFFSETS_MAX = 1_048_576n;

/** One lane, and what is known of it. */
export interface AdoptionQuestion {
  readonly sourcePartition: TopicPartition;
  readonly targetPartition: TopicPartition;
  /** What Connect stored for the source partition. */
  readonly positions: readonly StoredPosition[];
  /** Where a partition begins that MirrorMaker never copied. */
  readonly start: "earliest" | "latest";
}

/** Both clusters, as they are read: committed records only. */
export interface AdoptionDeps {
  readonly source: Source;
  readonly target: Source;
  /** The end of the target, what is not committed included. */
  readonly highWatermark: (partition: TopicPartition) => Promise<bigint>;
}

/** How a lane's place was found. */
export type AdoptionEvidence =
  /** MirrorMaker never came to the partition. */
  | "untouched"
  /** The source holds nothing after the stored position. */
  | "nothing-after"
  /** The target ends with the record at the stored position. */
  | "at-position"
  /** The target ends with records that were copied after the position was stored. */
  | "beyond-position";

/** Why nobody but a person can tell. */
export type UnclearReason =
  | "open-transaction"
  | "several-connectors"
  | "no-position"
  | "position-beyond-source"
  | "target-empty"
  | "no-match"
  | "several-matches"
  | "record-gone"
  | "too-slow";

/** A place to go on from, and what that means. */
export interface AdoptionOption {
  readonly sourceNext: bigint;
  readonly meaning: string;
}

/** What was found out. */
export type AdoptionFinding =
  | {
      readonly kind: "found";
      readonly sourceNext: bigint;
      readonly targetNext: bigint;
      readonly evidence: AdoptionEvidence;
    }
  | {
      readonly kind: "unclear";
      readonly why: UnclearReason;
      readonly targetNext: bigint;
      readonly options: readonly AdoptionOption[];
    };

/** Answers for one lane. Whoever wrote the target must have stopped. @throws {MirrorError} `SOURCE_*` of either side */
export async function findAdoption(
  question: AdoptionQuestion,
  deps: AdoptionDeps,
  signal: AbortSignal,
): Promise<AdoptionFinding> {
  const { sourcePartition, targetPartition, positions, start } = question;
  const from = await deps.source.bounds(sourcePartition);
  const to = await deps.target.bounds(targetPartition);
  const targetNext = to.endOffset;
  const found = (sourceNext: bigint, evidence: AdoptionEvidence): AdoptionFinding => {
    return { kind: "found", sourceNext, targetNext, evidence };
  };
  const unclear = (why: UnclearReason, options: readonly AdoptionOption[]): AdoptionFinding => {
    return { kind: "unclear", why, targetNext, options: [...options, ...endsOf(from)] };
  };
  if ((await deps.highWatermark(targetPartition)) > targetNext) return unclear("open-transaction", []);
  const [position, ...others] = positions;
  if (position === undefined) {
    if (to.endOffset === 0n) return found(start === "earliest" ? from.startOffset : from.endOffset, "untouched");
    const guess = await matchTail({ ...question, position: from.startOffset - 1n, from, to }, deps, signal);
    return unclear("no-position", guess.candidates.map(afterMatch));
  }
  const stored = positions.map((one) => afterStored(one, others.length > 0));
  if (others.length > 0) return unclear("several-connectors", stored);
  if (position.offset >= from.endOffset) return unclear("position-beyond-source", []);
  if (to.endOffset === 0n) return unclear("target-empty", stored);
  if (position.offset + 1n >= from.endOffset) return found(position.offset + 1n, "nothing-after");
  const matches = await matchTail({ ...question, position: position.offset, from, to }, deps, signal);
  const [match, ...more] = matches.candidates;
  if (matches.isEmpty) return found(position.offset + 1n, "nothing-after");
  if (!matches.isConnected) return unclear("record-gone", stored);
  if (match === undefined) return unclear("no-match", stored);
  if (more.length > 0) return unclear("several-matches", matches.candidates.map(afterMatch));
  return found(match + 1n, match === position.offset ? "at-position" : "beyond-position");
}

interface Match {
  readonly candidates: readonly bigint[];
  /** True when the source has no record after the position, only marks of transactions. */
  readonly isEmpty: boolean;
  /** False when the source lost the record at the position, so that none of the candidates excludes it. */
  readonly isConnected: boolean;
}

type Stretches = AdoptionQuestion & {
  readonly position: bigint;
  readonly from: PartitionBounds;
  readonly to: PartitionBounds;
};

/** Compares ever longer stretches until something fits or all was seen. */
async function matchTail(stretches: Stretches, deps: AdoptionDeps, signal: AbortSignal): Promise<Match> {
  const { position, from, to } = stretches;
  for (let window = WINDOW_OFFSETS; ; window *= 2n) {
    const tail = await readTail(stretches, deps, { window, signal });
    const source = await readPrints(
      {
        source: deps.source,
        partition: stretches.sourcePartition,
        from: later(position, from.startOffset),
        to: earlier(position + 1n + window, from.endOffset),
        withTimestamps: !tail.appendTime,
      },
      signal,
    );
    const stretch = stretchOf(position, source.prints);
    const candidates = tailCandidates(stretch, tail.prints);
    const isSeen = position + 1n + window >= from.endOffset;
    const isWhole = isSeen || to.startOffset + window >= to.endOffset;
    const isConnected = stretch.storedPrint !== undefined;
    if (candidates.length > 0 || !isConnected || isWhole || window >= WINDOW_OFFSETS_MAX)
      return { candidates, isEmpty: isSeen && stretch.after.length === 0, isConnected };
  }
}

/** The target's end as prints; without timestamps where the target replaces them. */
async function readTail(
  { targetPartition: partition, to }: Stretches,
  { target }: AdoptionDeps,
  { window, signal }: { readonly window: bigint; readonly signal: AbortSignal },
): Promise<{ readonly prints: readonly string[]; readonly appendTime: boolean }> {
  const from = later(to.endOffset - window, to.startOffset);
  const request = { source: target, partition, from, to: to.endOffset, withTimestamps: true };
  const first = await readPrints(request, signal);
  const { prints } = first.appendTime ? await readPrints({ ...request, withTimestamps: false }, signal) : first;
  return { prints: prints.map(({ print }) => print), appendTime: first.appendTime };
}

function stretchOf(stored: bigint, prints: readonly RecordPrint[]): SourceStretch {
  const [first, ...rest] = prints;
  if (first?.offset === stored) return { stored, storedPrint: first.print, after: rest };
  return { stored, storedPrint: undefined, after: prints };
}

function afterStored({ connector, offset }: StoredPosition, isNamed: boolean): AdoptionOption {
  const whose = isNamed ? ` of ${connector}` : "";
  const meaning = `after the stored position${whose}: what was copied since then is copied again`;
  return { sourceNext: offset + 1n, meaning };
}

function afterMatch(offset: bigint): AdoptionOption {
  return { sourceNext: offset + 1n, meaning: `if the target ends with the record at source offset ${offset}` };
}

function endsOf({ startOffset, endOffset }: PartitionBounds): readonly AdoptionOption[] {
  return [
    { sourceNext: startOffset, meaning: "from the beginning: all that the target holds of it is copied again" },
    { sourceNext: endOffset, meaning: "from the end: what was not copied so far never is" },
  ];
}
