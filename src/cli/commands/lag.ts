/** `lag`: how many records the copies are behind, by partition, topic or flow. */

import { selectedFlows } from "../../runtime/flow-selection.ts";
import { type LanesNow, lanesNow } from "../../runtime/lanes-now.ts";
import { formatDuration } from "../../topology/units.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { type Column, renderTable } from "../output.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of the command. */
export interface LagOptions {
  readonly by: "partition" | "topic" | "flow";
  /** More than this in one row is a finding. */
  readonly failOver?: number;
}

/** Lag of one partition, topic or flow. */
export interface LagRow {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  /** Null when rows are by flow. */
  readonly topic: string | null;
  readonly targetTopic: string | null;
  /** Null unless rows are by partition. */
  readonly partition: number | null;
  readonly lanes: number;
  readonly lagRecords: number;
  /** The largest of its lanes; null without a worker. */
  readonly behindMs: number | null;
  /** Lanes that stand for a reason. */
  readonly stopped: number;
}

/** Prints the rows, largest lag first; exit 2 when one is over `--fail-over`, 69 when that cannot be known of all. */
export async function lag(context: CliContext, options: LagOptions, mirrors: readonly string[]): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const now = await lanesNow(inUse, selectedFlows(inUse.topology, mirrors));
  const rows = lagRows(now, options.by);
  const lagRecords = rows.reduce((sum, row) => sum + row.lagRecords, 0);
  const json = { topology: inUse.topology.name, origin: now.origin, at_ms: now.atMs, lag_records: lagRecords };
  context.data({ ...json, rows: rows.map(rowJson) }, () => renderTable(columns(options.by), rows));
  for (const flow of now.flows) {
    if (flow.failure !== null) context.talk(`${flow.source} -> ${flow.target} is unknown: ${flow.failure}`);
  }
  if (now.origin === "stored")
    context.talk("no mirror worker runs; this compares stored progress with the sources' ends");
  if (now.flows.length > 0 && now.flows.every((flow) => flow.failure !== null && flow.lanes.length === 0))
    return EXIT.unreachable;
  const { failOver } = options;
  if (failOver === undefined) return EXIT.ok;
  if (rows.some((row) => row.lagRecords > failOver)) return EXIT.finding;
  return now.flows.some((flow) => flow.failure !== null) ? EXIT.unreachable : EXIT.ok;
}

/** Rows by the unit asked for, largest lag first. */
export function lagRows(now: Pick<LanesNow, "flows">, by: LagOptions["by"]): readonly LagRow[] {
  const rows = new Map<string, LagRow>();
  for (const flow of now.flows) {
    for (const lane of flow.lanes) {
      const topic = by === "flow" ? null : lane.sourceTopic;
      const partition = by === "partition" ? lane.partition : null;
      const key = JSON.stringify([flow.mirror, flow.source, flow.target, topic, partition]);
      const before = rows.get(key);
      rows.set(key, {
        mirror: flow.mirror,
        source: flow.source,
        target: flow.target,
        topic,
        targetTopic: topic === null ? null : lane.targetTopic,
        partition,
        lanes: (before?.lanes ?? 0) + 1,
        lagRecords: (before?.lagRecords ?? 0) + (lane.lagRecords ?? 0),
        behindMs: largest(before?.behindMs ?? null, lane.behindMs),
        stopped: (before?.stopped ?? 0) + (lane.state === "stopped" ? 1 : 0),
      });
    }
  }
  return [...rows.values()].sort((a, b) => b.lagRecords - a.lagRecords);
}

function largest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

function columns(by: LagOptions["by"]): readonly Column<LagRow>[] {
  const all: readonly (Column<LagRow> | undefined)[] = [
    { title: "MIRROR", value: (row) => row.mirror },
    { title: "FLOW", value: (row) => `${row.source} -> ${row.target}` },
    by === "flow" ? undefined : { title: "TOPIC", value: (row) => row.topic ?? "" },
    by === "partition" ? { title: "PARTITION", align: "right", value: (row) => row.partition ?? "" } : undefined,
    by === "partition" ? undefined : { title: "LANES", align: "right", value: (row) => row.lanes },
    { title: "LAG", align: "right", value: (row) => row.lagRecords },
    { title: "BEHIND", align: "right", value: (row) => (row.behindMs === null ? "" : formatDuration(row.behindMs)) },
    { title: "STOPPED", align: "right", value: (row) => row.stopped },
  ];
  return all.filter((column) => column !== undefined);
}

function rowJson(row: LagRow): object {
  return {
    mirror: row.mirror,
    source: row.source,
    target: row.target,
    topic: row.topic,
    target_topic: row.targetTopic,
    partition: row.partition,
    lanes: row.lanes,
    lag_records: row.lagRecords,
    behind_ms: row.behindMs === null ? null : Math.round(row.behindMs),
    stopped_lanes: row.stopped,
  };
}
