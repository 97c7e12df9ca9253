/** `mirror status`: what each flow is doing, and what keeps lanes from moving. */

import { selectedFlows } from "../../runtime/flow-selection.ts";
import { type LanesNow, lanesNow } from "../../runtime/lanes-now.ts";
import type { FlowSnapshot, LaneSnapshot, OrphanSnapshot } from "../../runtime/worker-status.ts";
import { statusJson } from "../../runtime/worker-status-json.ts";
import { formatDuration } from "../../topology/units.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { renderTable } from "../output.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Prints the state; exit 2 when a lane stopped or waits for somebody, or records are known to be repeated or missing. */
export async function mirrorStatus(
  context: CliContext,
  _options: object,
  mirrors: readonly string[],
): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const now = await lanesNow(inUse, selectedFlows(inUse.topology, mirrors));
  context.data(statusJson({ ...now, topology: inUse.topology.name }), () => statusText(now));
  if (now.origin === "stored")
    context.talk("no mirror worker runs (tributary mirror run); this is what is stored on the targets");
  if (now.flows.length > 0 && now.flows.every((flow) => flow.failure !== null && flow.lanes.length === 0))
    return EXIT.unreachable;
  return now.flows.some(hasFinding) ? EXIT.finding : EXIT.ok;
}

function hasFinding(flow: FlowSnapshot): boolean {
  return (
    flow.troubles.length > 0 ||
    flow.lanes.some((lane) => lane.state === "stopped" || lane.needsHands || lane.repeats > 0 || lane.gaps > 0)
  );
}

function statusText(now: LanesNow): string {
  const table = renderTable<FlowSnapshot>(
    [
      { title: "MIRROR", value: (flow) => flow.mirror },
      { title: "FLOW", value: (flow) => `${flow.source} -> ${flow.target}` },
      { title: "STATE", value: (flow) => stateOf(flow, now.origin) },
      { title: "LANES", align: "right", value: (flow) => flow.lanes.length },
      { title: "RECORDS", align: "right", value: (flow) => total(flow, (lane) => lane.records) },
      { title: "LAG", align: "right", value: (flow) => total(flow, (lane) => lane.lagRecords) },
      { title: "BEHIND", align: "right", value: (flow) => behind(flow) },
      { title: "ALIGNED", align: "right", value: (flow) => aligned(flow) },
      { title: "GROUPS", align: "right", value: (flow) => flow.groups.synced },
    ],
    now.flows,
  );
  return [table, ...now.flows.flatMap(notes)].join("\n");
}

function stateOf(flow: FlowSnapshot, origin: LanesNow["origin"]): string {
  if (flow.failure !== null) return "unreachable";
  if (origin === "stored") return "not running";
  const of = `of ${flow.lanes.length} lanes`;
  const stopped = flow.lanes.filter((lane) => lane.state === "stopped").length;
  if (stopped > 0) return `${stopped} ${of} stopped`;
  const held = flow.lanes.filter((lane) => lane.needsHands).length;
  return held === 0 ? flow.state : `${held} ${of} held`;
}

function notes(flow: FlowSnapshot): readonly string[] {
  const at = `${flow.source} -> ${flow.target}`;
  const lanes = flow.lanes.flatMap((lane) => {
    const where = `  ${at} ${lane.sourceTopic}/${lane.partition}`;
    const reason = lane.reason === null ? [] : [`${where} ${lane.needsHands ? "held" : lane.state}: ${lane.reason}`];
    const gaps =
      lane.gaps === 0
        ? []
        : [`${where} has ${lane.gaps} gaps: source records that were lost before they were copied, or after`];
    const repeats = lane.repeats === 0 ? [] : [`${where} may hold ${lane.repeats} records twice`];
    return [...reason, ...gaps, ...repeats];
  });
  const failure = flow.failure === null ? [] : [`  ${at}: ${flow.failure}`];
  const troubles = flow.troubles.map(
    ({ sourceTopic, about, why }) => `  ${at} ${sourceTopic}${about === undefined ? " is not copied" : ""}: ${why}`,
  );
  const old = flow.lanes.filter(({ mode }) => mode === "history").length;
  const history = old === 0 ? [] : [`  ${at} copies old records in transactions: ${old} of ${flow.lanes.length} lanes`];
  return [
    ...failure,
    ...history,
    ...troubles,
    ...flow.metadata.orphans.map((orphan) => `  ${at} ${orphanText(orphan)}`),
    ...lanes,
  ];
}

function orphanText({ sourceTopic, targetTopic, sinceMs, dueMs, why }: OrphanSnapshot): string {
  const since = new Date(sinceMs).toISOString();
  const fate = dueMs === null ? "is kept" : `is to be deleted after ${new Date(dueMs).toISOString()}`;
  return `${sourceTopic} is gone since ${since}; its copy ${targetTopic} ${fate}${why === null ? "" : `: ${why}`}`;
}

/** Of the lane that is furthest behind; nothing without a worker, who alone knows it. */
function behind(flow: FlowSnapshot): string {
  const known = flow.lanes.flatMap((lane) => lane.behindMs ?? []);
  return known.length === 0 ? "" : formatDuration(Math.max(...known));
}

/** Lanes with the same offsets on both sides; nothing without a worker. */
function aligned({ lanes }: FlowSnapshot): string {
  const known = lanes.filter((lane) => lane.aligned !== null);
  return known.length === 0 ? "" : String(known.filter((lane) => lane.aligned).length);
}

function total(flow: FlowSnapshot, value: (lane: LaneSnapshot) => number | null): number {
  return flow.lanes.reduce((sum, lane) => sum + (value(lane) ?? 0), 0);
}
