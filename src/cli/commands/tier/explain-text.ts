/** The reasons of `tier explain` in sentences. */

import type { ExplainReason, Explanation, RuleFacts } from "../../../tier/explain.ts";
import type { RemovalCause } from "../../../tier/manifest.ts";
import type { GapCause } from "../../../tier/ports.ts";
import { formatBytes, formatDuration } from "../../../topology/units.ts";

/** What sentences need beside the reason. */
export interface ExplainHints {
  /** Patterns of rules that nearly match the topic. */
  readonly near: readonly string[];
  readonly excludedBy: string | undefined;
  readonly rule: RuleFacts | undefined;
  readonly nowMs: number;
}

const GAPS: Readonly<Record<GapCause, string>> = {
  compaction: "compaction removed what was there",
  "markers-or-compaction": "a transaction marker was there, or compaction removed the record",
  retention: "the cluster had deleted it before it could be archived",
};

const REMOVALS: Readonly<Record<RemovalCause, string>> = {
  retention: "by the archive's retention",
  "topic-deleted": "because its topic was deleted (onTopicDeleted: delete)",
  command: "by tributary tier rm",
};

/** The reason. */
export function reasonSentence(reason: ExplainReason, hints: ExplainHints): string {
  switch (reason.kind) {
    case "archived": {
      const { baseOffset, lastOffset, key, logBytes } = reason.segment;
      return `Archived: ${key}.log (${formatBytes(logBytes)}) holds offsets ${baseOffset} to ${lastOffset}.`;
    }
    case "gap":
      return `No record is there: offsets ${reason.startOffset} to ${reason.nextOffset - 1n} are empty in ${reason.segment.key}.log; ${GAPS[reason.cause]}.`;
    case "removed": {
      const { nextOffset, cause, atMs } = reason.removed;
      return `Removed from the archive ${REMOVALS[cause]}: offsets below ${nextOffset} went until ${new Date(atMs).toISOString()}.`;
    }
    case "overtaken":
      return overtaken(reason.archiveStart, reason.logStart);
    case "hole":
      return "The archive holds what is before it and behind it, and not this: it is damaged; run tributary tier verify and tier repair.";
    case "beyond-end":
      return `There is no such record yet: the partition ends at offset ${reason.endOffset}.`;
    case "open-transaction":
      return `Not archived yet: a transaction is open since offset ${reason.lastStableOffset}, and nothing from there on is archived before it ends.`;
    case "no-rule":
      return `Not archived: no tiering rule of the region selects the topic${noRuleHint(hints)}.`;
    case "failing":
      return `Not archived yet: offloading fails and is tried again: ${reason.failure}`;
    default:
      return waitingSentence(reason, hints);
  }
}

type Waiting = Extract<
  ExplainReason,
  { readonly kind: "active-segment" | "too-young" | "kept-local" | "behind" | "due" | "not-yet" }
>;

function waitingSentence(reason: Waiting, { rule }: ExplainHints): string {
  switch (reason.kind) {
    case "active-segment":
      return `Not archived yet: it lies in the active segment${reason.baseOffset === undefined ? "" : `, which begins at offset ${reason.baseOffset}`} and still takes records; segment.bytes, segment.ms and the rule's segment: say when it closes.`;
    case "too-young":
      return `Not archived yet: the newest record of its segment (${reason.segment.baseOffset} to ${reason.segment.nextOffset - 1n}) is too young for cold.olderThan for another ${formatDuration(reason.leftMs)}.`;
    case "kept-local":
      return `Not archived yet: cold.keepLocal keeps ${formatBytes(rule?.keepLocalBytes ?? 0)} of closed segments, and only ${formatBytes(reason.newerBytes)} are newer than its own.`;
    case "behind":
      return `Not archived yet: the segment at offset ${reason.baseOffset} before it is not cold, and an archive has no holes.`;
    case "due":
      return `Not archived yet, but due: the next pass takes it, within ${formatDuration(reason.withinMs)}.`;
    case "not-yet": {
      const to =
        reason.archivedTo === undefined
          ? "The archive is empty"
          : `The archive ends before offset ${reason.archivedTo}`;
      const cold =
        rule === undefined || rule.olderThanMs === 0
          ? ""
          : ` and its records are older than ${formatDuration(rule.olderThanMs)}`;
      return `${to}: it is archived once its segment is closed${cold}, if the cluster has it.`;
    }
  }
}

/** Whether and from where it can be had. */
export function restorableSentence({ isArchived, isLocal }: Explanation): string {
  const local =
    isLocal === undefined
      ? "whether the region has it itself is not known"
      : `the region ${isLocal ? "has it on its own disks" : "does not have it itself"}`;
  return `${isArchived ? "Restorable" : "Not restorable"}; ${local}.`;
}

function overtaken(archiveStart: bigint | undefined, logStart: bigint | undefined): string {
  const parts = [
    ...(archiveStart === undefined ? [] : [`the archive begins at offset ${archiveStart}`]),
    ...(logStart === undefined ? [] : [`the region's log at ${logStart}`]),
  ];
  return `Gone before it was archived, by the topic's retention or DeleteRecords: ${parts.join(", ")}.`;
}

function noRuleHint({ near, excludedBy }: ExplainHints): string {
  if (excludedBy !== undefined) return `; "${excludedBy}" leaves it out`;
  return near.length === 0 ? "" : `; near misses: ${near.map((text) => `"${text}"`).join(", ")}`;
}
