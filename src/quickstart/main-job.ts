/** The main job, checked: flights flow from the sources to the target while the worker is killed and a broker goes away;
 *  then an independent reader compares everything with the truth. */

import { checkCold } from "./check-cold.ts";
import { checkCommits, checkContinuation, expectedCommit, type GroupContent } from "./check-groups.ts";
import { checkLanes, checkSource } from "./check-lanes.ts";
import { checkOffsets } from "./check-offsets.ts";
import { countOf, type Figures } from "./figures.ts";
import { FLIGHTS_PARTITIONS, FLIGHTS_TOPIC, type Flight } from "./flights.ts";
import { DELAYS_GROUP, readShare } from "./group.ts";
import { createFlightTopics, produceFlights } from "./load.ts";
import { ProgressMeter } from "./progress-meter.ts";
import { continueGroup, readTopics } from "./reader.ts";
import type { Anomaly, LaneContent, PartitionContent, SeenRecord } from "./records.ts";
import { commitsOf, stockClient } from "./region-access.ts";
import { KillGate, type KillMoment, makeTrouble } from "./trouble.ts";
import { until } from "./waiting.ts";
import type { MainJobWorld, WorkerProcess } from "./world.ts";

/** The load takes about four seconds: long enough for three crashes and restarts within it. */
const WAVES = 40;
const PACE_MS = 90;
/** What the group has read when half of the load is there, and at the end. */
const EARLY_SHARE = 0.3;
const FINAL_SHARE = 0.5;
/** Copying the rest takes part of a second; half a minute means that a lane stands. */
const DRAIN_TIMEOUT_MS = 30_000;
/** Groups are carried over once a second. */
const GROUPS_TIMEOUT_MS = 15_000;

/** Where the job is, for a person to watch. */
export interface JobProgress {
  readonly step: string;
  readonly produced: number;
  readonly mirrored: number;
  readonly total: number;
}

/** How the job is run. */
export interface MainJobOptions {
  readonly flights: readonly Flight[];
  /** The topic that is filled in every source; it must not exist yet. Default: `FLIGHTS_TOPIC`. */
  readonly topic?: string;
  readonly onProgress?: (progress: JobProgress) => void;
  /** Something happened that is worth a line. */
  readonly onEvent?: (text: string) => void;
}

/** What came out. */
export interface MainJobResult {
  readonly figures: Figures;
  readonly anomalies: readonly Anomaly[];
  readonly kills: readonly KillMoment[];
}

/** Runs the job and the checks. The worker is stopped at the end; regions stay as they are.
 *  @throws {QuickstartError} when something does not happen in time; what is wrong is in the result instead */
export async function runMainJob(world: MainJobWorld, options: MainJobOptions): Promise<MainJobResult> {
  const startedMs = performance.now();
  const copied = await copyUnderTrouble(world, options);
  try {
    const checked = await checkEverything(world, copied, options);
    const elapsedMs = Math.round(performance.now() - startedMs);
    return { ...checked, kills: copied.kills, figures: { ...checked.figures, elapsedMs } };
  } finally {
    await copied.worker.stop();
  }
}

interface Copied {
  readonly sent: ReadonlyMap<string, readonly SeenRecord[]>;
  readonly kills: readonly KillMoment[];
  readonly brokerStops: number;
  readonly worker: WorkerProcess;
}

async function copyUnderTrouble(world: MainJobWorld, options: MainJobOptions): Promise<Copied> {
  const total = options.flights.length;
  const topic = options.topic ?? FLIGHTS_TOPIC;
  const onEvent = options.onEvent ?? (() => undefined);
  const topics = world.sources.map(({ region }) => world.targetTopic(region, topic));
  await createFlightTopics(world.sources, topic);
  await using meter = await ProgressMeter.open(world.target, topics, FLIGHTS_PARTITIONS);
  let produced = 0;
  const watched = watchedMeter(meter, (mirrored) => {
    options.onProgress?.({ step: "copying flights", produced, mirrored, total });
  });
  const worker = await world.startWorker();
  const gate = new KillGate();
  let early: Promise<unknown> = Promise.resolve();
  const load = produceFlights(world.sources, options.flights, {
    topic,
    waves: WAVES,
    paceMs: PACE_MS,
    gate: (share) => gate.pass(share),
    onProduced: (count) => {
      if (produced < total / 2 && count >= total / 2) {
        early = readShares(world, topic, EARLY_SHARE);
        early.catch(() => undefined); // awaited, and thus reported, once the load is done
      }
      produced = count;
    },
  });
  const [sent, trouble] = await bothOrNeither(
    load,
    makeTrouble(worker, { world, meter: watched, total, gate, onEvent }),
  );
  try {
    await early;
    await readShares(world, topic, FINAL_SHARE);
    const wait = { what: `flights on ${world.target.region}`, wanted: total, timeoutMs: DRAIN_TIMEOUT_MS };
    await until(wait, () => watched.mirrored());
  } catch (error) {
    await trouble.worker.stop();
    throw error;
  }
  return { sent, ...trouble };
}

/** The meter, telling every answer to a second listener. */
function watchedMeter(meter: ProgressMeter, listener: (mirrored: number) => void): Pick<ProgressMeter, "mirrored"> {
  return {
    async mirrored() {
      const mirrored = await meter.mirrored();
      listener(mirrored);
      return mirrored;
    },
  };
}

/** Waits for both even when one fails, so that nothing goes on behind the error. */
async function bothOrNeither<A, B extends { readonly worker: WorkerProcess }>(
  a: Promise<A>,
  b: Promise<B>,
): Promise<readonly [A, B]> {
  const [left, right] = await Promise.allSettled([a, b]);
  if (left.status === "fulfilled" && right.status === "fulfilled") return [left.value, right.value];
  if (right.status === "fulfilled") await right.value.worker.stop();
  throw left.status === "rejected" ? left.reason : (right as PromiseRejectedResult).reason;
}

async function readShares(world: MainJobWorld, topic: string, share: number): Promise<void> {
  await Promise.all(world.sources.map((source) => readShare(source, share, topic)));
}

async function checkEverything(world: MainJobWorld, copied: Copied, options: MainJobOptions) {
  const total = options.flights.length;
  const topic = options.topic ?? FLIGHTS_TOPIC;
  const step = (text: string): void => {
    options.onProgress?.({ step: text, produced: total, mirrored: total, total });
  };
  step("reading the sources back");
  const sourceContents = await Promise.all(world.sources.map((source) => readTopics(source, [topic])));
  // The maps reach the sources' ends once everything is copied. Counting records on the target would not tell: where
  // some are there twice, others may still be on their way.
  step("waiting for the last records and the offset maps");
  const translatorOf = await world.translators(lanesOf(world, sourceContents, []));
  step("reading central back");
  const topics = world.sources.map(({ region }) => world.targetTopic(region, topic));
  const targetContent = await readTopics(world.target, topics);
  const lanes = lanesOf(world, sourceContents, targetContent);
  const sourceAnomalies = world.sources.flatMap(({ region }, index) =>
    checkSource(copied.sent.get(region) ?? [], sourceContents[index] ?? []),
  );
  const copies = checkLanes(lanes);

  step("translating every offset");
  const offsets = checkOffsets(lanes, translatorOf);

  step("moving the groups");
  const groups = await checkGroups(world, topic, lanes);

  step("reading cold segments back");
  const cold = await checkOffload(world, targetContent);

  const copyAnomalies = [...sourceAnomalies, ...copies.anomalies];
  const anomalies = [...copyAnomalies, ...offsets.anomalies, ...groups.anomalies, ...cold.anomalies];
  const figures = {
    produced: [...copied.sent.values()].reduce((sum, { length }) => sum + length, 0),
    mirrored: copies.mirrored,
    lost: countOf(copyAnomalies, "lost"),
    duplicated: countOf(copyAnomalies, "duplicated"),
    reordered: countOf(copyAnomalies, "reordered"),
    mutated: countOf(copyAnomalies, "mutated"),
    workerKills: copied.kills.length,
    brokerStops: copied.brokerStops,
    offsetsChecked: offsets.checked,
    offsetsWrong: offsets.anomalies.length,
    groupsChecked: groups.checked,
    groupsWrong: groups.wrong,
    segmentsOffloaded: cold.segments,
    bytesOffloaded: cold.bytes,
    coldRecordsRead: cold.coldRecordsRead,
  };
  return { figures, anomalies };
}

function lanesOf(
  world: MainJobWorld,
  sourceContents: readonly (readonly PartitionContent[])[],
  targetContent: readonly PartitionContent[],
): readonly LaneContent[] {
  return world.sources.flatMap(({ region }, index) =>
    (sourceContents[index] ?? []).map((source) => {
      const topic = world.targetTopic(region, source.topic);
      const target = targetContent.find((one) => one.topic === topic && one.partition === source.partition);
      const nothing = { topic, partition: source.partition, startOffset: 0n, endOffset: 0n, records: [] };
      return { region, source, target: target ?? nothing };
    }),
  );
}

/** Waits until the groups' commits have been carried over, or long enough to say that they will not be; then a consumer
 *  goes on. Whether they are right is decided by the checks, not by the waiting. */
async function checkGroups(world: MainJobWorld, topic: string, lanes: readonly LaneContent[]) {
  const kafka = stockClient(world.target);
  const groups = await Promise.all(
    world.sources.map(async (source): Promise<Omit<GroupContent, "targetCommits">> => {
      const own = lanes.filter(({ region }) => region === source.region);
      const sourceCommits = await commitsOf(stockClient(source), DELAYS_GROUP, topic);
      return { group: DELAYS_GROUP, region: source.region, lanes: own, sourceCommits };
    }),
  );
  const targetCommits = (region: string) => commitsOf(kafka, DELAYS_GROUP, world.targetTopic(region, topic));
  const wanted = groups.reduce((sum, { sourceCommits }) => sum + sourceCommits.size, 0);
  const wait = { what: "commits carried over", wanted, timeoutMs: GROUPS_TIMEOUT_MS, pollMs: 100 };
  const inPlace = async (): Promise<number> => {
    const counts = await Promise.all(
      groups.map(async (group) => {
        const commits = await targetCommits(group.region);
        const right = group.lanes.filter((lane) => {
          const wanted = expectedCommit(lane, group.sourceCommits.get(lane.source.partition));
          return wanted !== undefined && commits.get(lane.target.partition) === wanted;
        });
        return right.length;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  };
  await until(wait, inPlace).catch(() => undefined);
  const contents: readonly GroupContent[] = await Promise.all(
    groups.map(async (group) => ({ ...group, targetCommits: await targetCommits(group.region) })),
  );
  const topics = world.sources.map(({ region }) => world.targetTopic(region, topic));
  const read = await continueGroup(world.target, { groupId: DELAYS_GROUP, topics });
  const anomalies = contents.map((group) => [...checkCommits(group), ...checkContinuation(group, read)]);
  const wrong = anomalies.filter(({ length }) => length > 0).length;
  return { checked: contents.length, wrong, anomalies: anomalies.flat() };
}

async function checkOffload(world: MainJobWorld, before: readonly PartitionContent[]) {
  if (world.offload === undefined) return { segments: 0, bytes: 0, coldRecordsRead: 0, anomalies: [] };
  const { segments, bytes, ranges } = await world.offload();
  const topics = [...new Set(ranges.map(({ topic }) => topic))];
  const after = await readTopics(world.target, topics);
  return { segments, bytes, ...checkCold(ranges, before, after) };
}
