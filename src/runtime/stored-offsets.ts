/** The stored offset map of one lane, found by what a person knows: topic, partition, and perhaps mirror and regions. Needs the target
 *  alone, unless several clusters fill the partition: when the source is lost, translation works all the same. */

import { listTopics } from "../client/admin.ts";
import type { OffsetMap } from "../mirror/offset-map.ts";
import type { LaneStateRecord } from "../mirror/offset-ports.ts";
import { targetName } from "../topology/checks.ts";
import { type Flow, flowsOf, type Topology } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { openClient, regionAddress } from "./connect.ts";
import { RuntimeError } from "./errors.ts";
import { flowName, selectedFlows } from "./flow-selection.ts";
import { LaneRecords } from "./lane-records.ts";
import { storedProgress } from "./stored-progress.ts";
import type { StoredWorld } from "./stored-status.ts";

/** Which lane. */
export interface LaneQuestion {
  /** Name on the source; the name on the target is understood as well. */
  readonly topic: string;
  readonly partition: number;
  readonly mirror?: string | undefined;
  readonly source?: string | undefined;
  readonly target?: string | undefined;
}

/** A lane with what is stored about it. */
export interface StoredLaneMap {
  readonly flow: Flow;
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly state: LaneStateRecord;
  readonly map: OffsetMap;
}

/** Reads the lane's map from the target. Where several flows could carry the topic, those that have copied something of it count.
 *  @throws {RuntimeError} `LANE_UNKNOWN` when none or several fit */
export async function storedLaneMap(world: StoredWorld, question: LaneQuestion): Promise<StoredLaneMap> {
  const candidates = candidatesFor(world.topology, question);
  if (candidates.length === 0) {
    throw unknown(question, "no flow carries it; tributary topology plan shows what is carried");
  }
  const byTarget = Map.groupBy(candidates, ({ flow }) => flow.target);
  const found = (await Promise.all([...byTarget].map(([target, of]) => storedIn(world, target, of, question)))).flat();
  const [only] = found;
  if (only === undefined) {
    const names = candidates.map(({ flow }) => flowName(flow)).join(", ");
    throw unknown(question, `nothing of it was copied yet (${names}); start tributary mirror run`);
  }
  if (found.length === 1) return only;
  const names = found.map(({ flow }) => flowName(flow)).join(", ");
  throw unknown(question, `several flows carry it: ${names}; choose with --mirror, --source and --target`);
}

interface Candidate {
  readonly flow: Flow;
  readonly sourceTopic: string;
}

function candidatesFor(topology: Topology, question: LaneQuestion): readonly Candidate[] {
  const { topic, mirror, source, target } = question;
  const flows = mirror === undefined ? flowsOf(topology) : selectedFlows(topology, [mirror]);
  return flows
    .filter((flow) => (source ?? flow.source) === flow.source && (target ?? flow.target) === flow.target)
    .flatMap((flow) => sourceTopicsOf(flow, topic).map((sourceTopic) => ({ flow, sourceTopic })));
}

async function storedIn(
  world: StoredWorld,
  target: string,
  candidates: readonly Candidate[],
  question: LaneQuestion,
): Promise<readonly StoredLaneMap[]> {
  const address = regionAddress(world.topology, world.state, target);
  await using client = await openClient(address, { clientId: "tributary-offsets" });
  await using store = await storedProgress(client);
  if (store === undefined) return [];
  const [records, topics] = [new LaneRecords(await store.list()), await listTopics(client)];
  const maps: StoredLaneMap[] = [];
  for (const { flow, sourceTopic } of candidates) {
    const targetTopic = targetName(flow, sourceTopic);
    const targetTopicId = topics.find(({ name }) => name === targetTopic)?.topicId;
    const place = { sourceTopic, targetTopic, targetTopicId, partition: question.partition };
    const state = await ofSource(records.at(place), world, flow.source);
    const map = state === undefined ? undefined : (await store.load(state.lane)).map;
    if (state !== undefined && map !== undefined) maps.push({ flow, sourceTopic, targetTopic, state, map });
  }
  return maps;
}

/** The latest record of the source's cluster, which has to be asked for its id only where several clusters fill the partition. */
async function ofSource(
  records: readonly LaneStateRecord[],
  world: StoredWorld,
  source: string,
): Promise<LaneStateRecord | undefined> {
  if (new Set(records.map(({ lane }) => lane.sourceClusterId)).size < 2) return records[0];
  const address = regionAddress(world.topology, world.state, source);
  await using client = await openClient(address, { clientId: "tributary-offsets" });
  return records.find(({ lane }) => lane.sourceClusterId === client.metadata.clusterId);
}

/** A topic name as the source's, or as the target's under the flow's naming. */
function sourceTopicsOf(flow: Flow, topic: string): readonly string[] {
  const [head = "", tail = ""] = targetName(flow, "\0").split("\0");
  const inner =
    topic.startsWith(head) && topic.endsWith(tail) ? topic.slice(head.length, topic.length - tail.length) : "";
  const byTarget = inner !== "" && inner !== topic && selects(flow.mirror.topics, inner) ? inner : undefined;
  if (byTarget !== undefined) return [byTarget];
  return selects(flow.mirror.topics, topic) ? [topic] : [];
}

function unknown({ topic, partition }: LaneQuestion, why: string): RuntimeError {
  const message = `no lane for topic "${topic}" partition ${partition}: ${why}`;
  return new RuntimeError({ code: "LANE_UNKNOWN", topic, partition }, { message });
}
