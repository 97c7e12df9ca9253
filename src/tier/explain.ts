/** Why an offset is, or is not, in the archive: the one reason that decides, from what is known of the archive and the cluster. */

import type { ArchivedSegment, Manifest, RemovedSegments } from "./manifest.ts";
import type { ClosedSegment, GapCause } from "./ports.ts";

/** What the cluster says of the partition. */
export interface LogFacts {
  /** First offset that it answers. */
  readonly startOffset: bigint;
  /** First offset on its own disks. */
  readonly localStart: bigint;
  /** Behind the last record. */
  readonly endOffset: bigint;
  /** First offset of which nobody knows yet whether it counts; the end without open transactions. */
  readonly lastStableOffset: bigint;
  /** Its closed segments, where it tells them. */
  readonly closed: readonly ClosedSegment[] | undefined;
}

/** What the rule for the topic says. */
export interface RuleFacts {
  readonly olderThanMs: number;
  readonly keepLocalBytes: number;
  readonly everyMs: number;
}

/** All that is known; undefined is what cannot be asked now. */
export interface ExplainFacts {
  readonly offset: bigint;
  readonly manifest: Manifest | undefined;
  readonly log: LogFacts | undefined;
  /** Undefined: no rule selects the topic. */
  readonly rule: RuleFacts | undefined;
  /** What keeps the offloader from its work. */
  readonly failure: string | undefined;
  readonly nowMs: number;
}

/** The reason. */
export type ExplainReason =
  | { readonly kind: "archived"; readonly segment: ArchivedSegment }
  /** No record is at the offset: between the segment's records, or behind its last one. */
  | {
      readonly kind: "gap";
      readonly segment: ArchivedSegment;
      readonly startOffset: bigint;
      readonly nextOffset: bigint;
      readonly cause: GapCause;
    }
  | { readonly kind: "removed"; readonly removed: RemovedSegments }
  /** Gone from the cluster before it was archived. */
  | { readonly kind: "overtaken"; readonly archiveStart: bigint | undefined; readonly logStart: bigint | undefined }
  /** In no segment of the archive, although those before and behind it are: something is damaged. */
  | { readonly kind: "hole" }
  | { readonly kind: "beyond-end"; readonly endOffset: bigint }
  | { readonly kind: "open-transaction"; readonly lastStableOffset: bigint }
  | { readonly kind: "no-rule" }
  | { readonly kind: "failing"; readonly failure: string }
  /** The segment that holds it still takes records. */
  | { readonly kind: "active-segment"; readonly baseOffset: bigint | undefined }
  | { readonly kind: "too-young"; readonly segment: ClosedSegment; readonly leftMs: number }
  | { readonly kind: "kept-local"; readonly segment: ClosedSegment; readonly newerBytes: number }
  /** Everything about it is cold, but a segment before it is not, and the archive has no holes. */
  | { readonly kind: "behind"; readonly baseOffset: bigint }
  | { readonly kind: "due"; readonly withinMs: number }
  /** The region cannot be asked, or does not tell its segments: what has to come true before it is archived. */
  | { readonly kind: "not-yet"; readonly archivedTo: bigint | undefined };

/** The answer. */
export interface Explanation {
  readonly reason: ExplainReason;
  readonly isArchived: boolean;
  /** On the cluster's own disks; undefined when it cannot be asked. */
  readonly isLocal: boolean | undefined;
}

/** The first reason that holds, from the archive outwards. */
export function explainOffset(facts: ExplainFacts): Explanation {
  const { offset, log } = facts;
  const isLocal = log === undefined ? undefined : offset >= log.localStart && offset < log.endOffset;
  const reason = reasonInArchive(facts) ?? reasonBeforeArchive(facts) ?? reasonInCluster(facts);
  return { reason, isArchived: reason.kind === "archived", isLocal };
}

/** Undefined when the offset lies outside of what the archive covers. */
function reasonInArchive({ offset, manifest }: ExplainFacts): ExplainReason | undefined {
  const segments = manifest?.segments ?? [];
  const segment = segments.find((each) => offset >= each.baseOffset && offset < each.nextOffset);
  if (segment === undefined) {
    const { removed } = manifest ?? {};
    if (removed !== undefined && offset < removed.nextOffset) return { kind: "removed", removed };
    const [first, last] = [segments[0], segments.at(-1)];
    const isInside =
      first !== undefined && last !== undefined && offset >= first.baseOffset && offset < last.nextOffset;
    return isInside ? { kind: "hole" } : undefined;
  }
  const gap = segment.gaps.find((each) => offset >= each.startOffset && offset < each.nextOffset);
  if (gap !== undefined) return { kind: "gap", segment, ...gap };
  if (offset <= segment.lastOffset) return { kind: "archived", segment };
  const { lastOffset, nextOffset } = segment;
  return { kind: "gap", segment, startOffset: lastOffset + 1n, nextOffset, cause: "markers-or-compaction" };
}

function reasonBeforeArchive({ offset, manifest, log }: ExplainFacts): ExplainReason | undefined {
  const archiveStart = manifest?.segments[0]?.baseOffset;
  const logStart = log?.startOffset;
  const isGone = logStart !== undefined && offset < logStart;
  const isBefore = archiveStart !== undefined && offset < archiveStart;
  return isGone || isBefore ? { kind: "overtaken", archiveStart, logStart } : undefined;
}

function reasonInCluster(facts: ExplainFacts): ExplainReason {
  const { offset, manifest, log, rule, failure } = facts;
  if (log !== undefined && offset >= log.endOffset) return { kind: "beyond-end", endOffset: log.endOffset };
  if (rule === undefined) return { kind: "no-rule" };
  if (failure !== undefined) return { kind: "failing", failure };
  if (log !== undefined && offset >= log.lastStableOffset)
    return { kind: "open-transaction", lastStableOffset: log.lastStableOffset };
  if (log?.closed === undefined)
    return { kind: "not-yet", archivedTo: manifest?.segments.at(-1)?.nextOffset ?? manifest?.removed?.nextOffset };
  return reasonInSegment(facts, rule, log.closed);
}

function reasonInSegment(
  { offset, nowMs }: ExplainFacts,
  rule: RuleFacts,
  closed: readonly ClosedSegment[],
): ExplainReason {
  const at = closed.findIndex((segment) => offset < segment.nextOffset);
  const segment = closed[at];
  if (segment === undefined) return { kind: "active-segment", baseOffset: closed.at(-1)?.nextOffset };
  const newerBytes = closed.slice(at + 1).reduce((sum, each) => sum + each.sizeBytes, 0);
  if (newerBytes < rule.keepLocalBytes) return { kind: "kept-local", segment, newerBytes };
  const leftMs = rule.olderThanMs - (nowMs - segment.maxTimestampMs);
  if (leftMs > 0) return { kind: "too-young", segment, leftMs };
  const before = closed.slice(0, at).find((each) => nowMs - each.maxTimestampMs < rule.olderThanMs);
  if (before !== undefined) return { kind: "behind", baseOffset: before.baseOffset };
  return { kind: "due", withinMs: rule.everyMs };
}
