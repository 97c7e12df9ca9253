/** What `tier restore` prints. */

import type { PreparedRestore, RestoreReport } from "../../../runtime/restore/restore.ts";
import type { RestoredCommit } from "../../../runtime/restore/restored-groups.ts";
import type { PartitionRestore } from "../../../tier/restore/restore-plan.ts";
import { formatBytes, formatDuration } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { type Column, counted, renderTable } from "../../output.ts";

interface Row {
  readonly topic: string;
  readonly to: string;
  readonly partition: number;
  readonly from: bigint;
  readonly until: bigint;
  readonly offsets: "exact" | "mapped";
  readonly what: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "TOPIC", value: (row) => row.topic },
  { title: "TO", value: (row) => row.to },
  { title: "PARTITION", align: "right", value: (row) => row.partition },
  { title: "FROM", align: "right", value: (row) => String(row.from) },
  { title: "UNTIL", align: "right", value: (row) => String(row.until) },
  { title: "OFFSETS", value: (row) => row.offsets },
  { title: "", value: (row) => row.what },
];

/** What a dry run found. `bytesPerSecond` is that of a sample. */
export function showPlan(
  context: CliContext,
  into: string,
  { plan, topics, groups, groupsTakenAtMs }: PreparedRestore,
  bytesPerSecond: number | undefined,
): void {
  const all = topics.flatMap(({ plan: topic, targetTopic }) =>
    topic.partitions.map((partition) => ({ to: targetTopic, topic: topic.topic, partition })),
  );
  const total = (of: (partition: PartitionRestore) => number): number =>
    all.reduce((sum, { partition }) => sum + of(partition), 0);
  const totals = { bytes: total(({ bytes }) => bytes), requests: total(({ requests }) => requests) };
  const seconds = bytesPerSecond === undefined ? 0 : totals.bytes / bytesPerSecond;
  const rows = all.map(
    ({ to, topic, partition }): Row => ({ topic, to, ...placeOf(partition), what: holesText(partition) }),
  );
  const json = {
    dry_run: true,
    cluster_id: plan.clusterId,
    into,
    ...totals,
    estimated_seconds: Math.ceil(seconds),
    partitions: all.map(({ to, topic, partition }) => ({
      topic,
      to,
      ...placeOf(partition),
      ...costOf(partition),
      holes: partition.holes,
      first_hole_from: partition.firstHoleFrom ?? null,
    })),
    groups: (groups ?? []).map(({ group, commits }) => ({ group, positions: commits.length })),
    groups_taken_at_ms: groupsTakenAtMs ?? null,
  };
  const sums = `${formatBytes(totals.bytes)} in ${counted(totals.requests, "request")}, at least ${formatDuration(Math.ceil(seconds) * 1_000)} at the rate of a sample`;
  const groupsText = groups === undefined ? "" : `; ${counted(groups.length, "group")} to move`;
  context.data(json, () => [renderTable(COLUMNS, rows), `${sums}${groupsText}; nothing was changed`].join("\n"));
}

/** What a restore did. */
export function showReport(context: CliContext, into: string, prepared: PreparedRestore, report: RestoreReport): void {
  const rows = report.partitions.map(({ sourceTopic: topic, targetTopic: to, plan, result }): Row => {
    const what = result.wasDone ? "done already" : counted(Number(result.recordsWritten), "record");
    return { topic, to, ...placeOf(plan), offsets: result.offsets, what };
  });
  const json = {
    dry_run: false,
    cluster_id: prepared.plan.clusterId,
    into,
    created_topics: report.createdTopics,
    partitions: report.partitions.map(({ sourceTopic: topic, targetTopic: to, plan, result }) => ({
      topic,
      to,
      ...placeOf(plan),
      offsets: result.offsets,
      done_already: result.wasDone,
      records_written: result.recordsWritten,
      target_next: result.map.progress.targetNext,
    })),
    groups: report.groups.map(({ archivedOffset, reason, ...commit }) => ({
      ...commit,
      archived_offset: archivedOffset,
      reason: reason ?? null,
    })),
    groups_taken_at_ms: prepared.groupsTakenAtMs ?? null,
    warnings: report.warnings,
  };
  context.data(json, () => [renderTable(COLUMNS, rows), ...groupLines(report.groups)].join("\n"));
}

function placeOf({ partition, range, holes }: PartitionRestore): Pick<Row, "partition" | "from" | "until" | "offsets"> {
  const offsets = holes === 0n ? "exact" : "mapped";
  return { partition: partition.partition, from: range.fromOffset, until: range.endOffset, offsets };
}

function costOf({ bytes, requests, records }: PartitionRestore) {
  return { bytes, requests, records };
}

function holesText({ holes, firstHoleFrom, records }: PartitionRestore): string {
  const size = counted(records, "record");
  if (holes === 0n) return size;
  return `${size}, ${holes} offsets without one: offsets change from about ${firstHoleFrom ?? 0n} on`;
}

function groupLines(groups: readonly RestoredCommit[]): readonly string[] {
  if (groups.length === 0) return [];
  const left = groups.filter(({ written }) => !written);
  const moved = `${counted(groups.length - left.length, "position")} of groups set`;
  return [
    moved,
    ...left.map(
      (each) =>
        `${each.group} at ${each.topic}-${each.partition} offset ${each.archivedOffset}: not set (${each.reason})`,
    ),
  ];
}
