/** Takes flows over from MirrorMaker 2: finds each lane's place from MirrorMaker's positions and both logs, and stores it as the
 *  lane's beginning, so that the next worker goes on there. */

import { dedicatedOffsetsTopic, readMm2Positions } from "../adapters/kafka-mm2-positions.ts";
import { openKafkaProgress } from "../adapters/kafka-progress.ts";
import { KafkaSource } from "../adapters/kafka-source.ts";
import { KafkaTarget } from "../adapters/kafka-target.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { describeGroups } from "../client/groups.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { silentLogger } from "../core/logger.ts";
import { type WantedLane, wantedLanes, wantedTopics } from "../mirror/discovery.ts";
import { adoptedLane } from "../mirror/mm2/adopted-lane.ts";
import { type AdoptionFinding, type AdoptionQuestion, findAdoption } from "../mirror/mm2/adoption.ts";
import type { StoredPositions } from "../mirror/mm2/stored-positions.ts";
import { type LaneStateRecord, laneKey } from "../mirror/offset-ports.ts";
import type { TopicPartition } from "../mirror/ports.ts";
import { compileFilter } from "../mirror/record-filter.ts";
import type { Flow } from "../topology/model.ts";
import { openClient, regionAddress } from "./connect.ts";
import { RuntimeError } from "./errors.ts";
import { namesOf } from "./flow-names.ts";
import { storedProgress } from "./stored-progress.ts";
import type { StoredWorld } from "./stored-status.ts";

/** Lanes looked at side by side: each reads some ten thousand records of both clusters. */
const LANES_AT_ONCE = 4;
/** For one lane; a million large records over a slow line take minutes. */
const LANE_TIMEOUT_MS = 600_000;

/** What to take over from, and what a person has decided. */
export interface AdoptionOptions {
  /** Topic of Connect's positions; default: as the mirror says, else the one of MirrorMaker's dedicated mode. */
  readonly offsetsTopic?: string | undefined;
  /** Group of the Connect workers; default likewise. */
  readonly connectGroup?: string | undefined;
  /** Only positions of this connector. */
  readonly connector?: string | undefined;
  /** Source offsets to go on from by `topic/partition`, where that is decided already. */
  readonly chosen: ReadonlyMap<string, bigint>;
}

/** One lane's beginning, or why there is none. */
export interface LaneAdoption {
  readonly flow: Flow;
  readonly wanted: WantedLane;
  /** `known`: Tributary has copied the lane before. `chosen`: a person has decided. */
  readonly finding: AdoptionFinding | Place<"known"> | Place<"chosen">;
}

interface Place<Kind> {
  readonly kind: Kind;
  readonly sourceNext: bigint;
  readonly targetNext: bigint;
}

/** Looks at every lane of a flow whose topic is on the target already; the others begin by themselves. Writes nothing.
 *  @throws {RuntimeError} `MIRROR_MAKER_RUNS`, `REGION_*` @throws {ClientError | MirrorError} */
export async function surveyAdoption(
  world: StoredWorld,
  flow: Flow,
  options: AdoptionOptions,
): Promise<readonly LaneAdoption[]> {
  await using source = await openRegion(world, flow.source);
  await using target = await openRegion(world, flow.target);
  const { compat } = flow.mirror;
  await refuseRunning(target, flow, options.connectGroup ?? compat?.connectGroup ?? `${flow.source}-mm2`);
  const offsetsTopic = options.offsetsTopic ?? compat?.offsetsTopic ?? dedicatedOffsetsTopic(flow.source);
  const deps = { client: target, clock: nodeClock() };
  const positions = await readMm2Positions({ sourceAlias: flow.source, offsetsTopic }, deps);
  const known = await statesIn(target);
  const sides = sidesOf(source, target);
  const { topics, naming } = namesOf(flow);
  const [sources, targets] = await Promise.all([sides.source.topics(), sides.writer.topics()]);
  const clusters = { sourceClusterId: sides.source.clusterId, targetClusterId: sides.writer.clusterId };
  const lanes = wantedLanes(targets, wantedTopics(sources, topics, naming).topics, clusters);
  const findings: LaneAdoption[] = [];
  for (let at = 0; at < lanes.length; at += LANES_AT_ONCE) {
    const some = lanes.slice(at, at + LANES_AT_ONCE);
    const found = some.map((wanted) => findingOf({ flow, wanted, options }, { sides, positions, known }));
    findings.push(...(await Promise.all(found)));
  }
  return findings;
}

interface Sides {
  readonly source: KafkaSource;
  /** The target as it is read. */
  readonly target: KafkaSource;
  readonly writer: KafkaTarget;
}

function sidesOf(source: KafkaClient, target: KafkaClient): Sides {
  const deps = { clock: nodeClock(), random: nodeRandom() };
  return {
    source: new KafkaSource({}, { ...deps, client: source }),
    target: new KafkaSource({}, { ...deps, client: target }),
    writer: new KafkaTarget({ ...deps, client: target }),
  };
}

async function findingOf(
  asked: { readonly flow: Flow; readonly wanted: WantedLane; readonly options: AdoptionOptions },
  found: {
    readonly sides: Sides;
    readonly positions: StoredPositions;
    readonly known: ReadonlyMap<string, LaneStateRecord>;
  },
): Promise<LaneAdoption> {
  const { flow, wanted, options } = asked;
  const { sourcePartition, targetPartition } = wanted;
  const { topic, partition } = sourcePartition;
  const { sides, positions, known } = found;
  const state = known.get(laneKey(wanted.lane));
  if (state !== undefined) return { flow, wanted, finding: { kind: "known", ...state.progress } };
  const chosen = options.chosen.get(`${topic}/${partition}`);
  if (chosen !== undefined) {
    const { endOffset } = await sides.writer.bounds(targetPartition);
    return { flow, wanted, finding: { kind: "chosen", sourceNext: chosen, targetNext: endOffset } };
  }
  const { connector } = options;
  const at = positions.at(topic, partition).filter((one) => connector === undefined || one.connector === connector);
  const question = { sourcePartition, targetPartition, positions: at, start: flow.mirror.start };
  return { flow, wanted, finding: await boundedFinding(question, sides) };
}

/** A lane that cannot be read in time is one more that a person has to decide about. */
async function boundedFinding(question: AdoptionQuestion, { source, target, writer }: Sides): Promise<AdoptionFinding> {
  const signal = AbortSignal.timeout(LANE_TIMEOUT_MS);
  const highWatermark = async (of: TopicPartition): Promise<bigint> => (await writer.bounds(of)).endOffset;
  try {
    return await findAdoption(question, { source, target, highWatermark }, signal);
  } catch (error) {
    if (error !== signal.reason) throw error;
    return { kind: "unclear", why: "too-slow", targetNext: await highWatermark(question.targetPartition), options: [] };
  }
}

/** Stores the beginnings, all of one target, or none. A lane that a worker began meanwhile stays as it is.
 *  @throws {RuntimeError} `REGION_*`, `TARGET_GROWN` @throws {ClientError | MirrorError} */
export async function storeAdoption(world: StoredWorld, target: string, lanes: readonly LaneAdoption[]): Promise<void> {
  await using client = await openRegion(world, target);
  const deps = { client, clock: nodeClock(), random: nodeRandom(), logger: silentLogger };
  const writer = new KafkaTarget(deps);
  await Promise.all(lanes.map((lane) => refuseGrown(lane, writer)));
  await using store = await openKafkaProgress({}, deps);
  for (const { flow, wanted, finding } of lanes) {
    if (finding.kind !== "found" && finding.kind !== "chosen") continue;
    const { delivery, provenance, filter } = flow.mirror;
    const rules = { provenance, filter: filter === undefined ? undefined : compileFilter(filter) };
    const { sourceNext, targetNext } = finding;
    const nowMs = nodeClock().nowMs();
    const { state, map } = adoptedLane({ wanted, sourceNext, targetNext, delivery, rules, nowMs });
    store.save(state, map);
  }
  await store.flush();
}

/** Whoever wrote since the lane was looked at may have written what the lane is about to copy. */
async function refuseGrown({ flow, wanted, finding }: LaneAdoption, writer: KafkaTarget): Promise<void> {
  if (finding.kind !== "found" && finding.kind !== "chosen") return;
  const { topic, partition } = wanted.targetPartition;
  const { endOffset } = await writer.bounds(wanted.targetPartition);
  if (endOffset === finding.targetNext) return;
  const message = `nothing stored: ${topic}/${partition} in region "${flow.target}" has grown meanwhile; stop whoever writes it, and look again`;
  throw new RuntimeError({ code: "TARGET_GROWN", region: flow.target, topic, partition }, { message });
}

function openRegion(world: StoredWorld, region: string): Promise<KafkaClient> {
  return openClient(regionAddress(world.topology, world.state, region), { clientId: "tributary-adopt" });
}

async function statesIn(client: KafkaClient): Promise<ReadonlyMap<string, LaneStateRecord>> {
  await using store = await storedProgress(client);
  const states = store === undefined ? [] : await store.list();
  return new Map(states.map((state) => [laneKey(state.lane), state]));
}

/** What is still written cannot be told. */
async function refuseRunning(client: KafkaClient, { target: region }: Flow, group: string): Promise<void> {
  const [description] = await describeGroups(client, [group]);
  const members = description?.members.length ?? 0;
  if (members === 0) return;
  const message = `MirrorMaker still runs: its group "${group}" in region "${region}" has members; stop it first`;
  throw new RuntimeError({ code: "MIRROR_MAKER_RUNS", region, group, members }, { message });
}
