/** The product's own translation for the check: the offset maps that the worker stored on the target. */

import { openKafkaProgress } from "../adapters/kafka-progress.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { silentLogger } from "../core/logger.ts";
import type { OffsetMap } from "../mirror/offset-map.ts";
import type { LaneStateRecord, ProgressStore } from "../mirror/offset-ports.ts";
import { openClient, regionAddress } from "../runtime/connect.ts";
import type { StateDirectory } from "../runtime/state-directory.ts";
import type { Topology } from "../topology/model.ts";
import type { OffsetTranslator } from "./check-offsets.ts";
import { until } from "./waiting.ts";
import type { LanePlace } from "./world.ts";

/** Maps are stored once a second. One is late whose lane's transactional writer died when all was copied: another worker waits ten seconds
 *  before it takes such a lane over (see mirror/history/standby.ts). After three times that, a worker stores none. */
const STORED_TIMEOUT_MS = 30_000;
const STORED_POLL_MS = 100;

/** Where the maps are. */
export interface TranslatorSource {
  readonly topology: Topology;
  readonly state: StateDirectory;
  /** Alias of the target region. */
  readonly target: string;
}

/** Reads every lane's stored map, waiting a while until they reach the ends of their sources. A lane whose map never
 *  does answers nothing beyond it, which the check then counts. */
export async function laneTranslators(
  from: TranslatorSource,
  lanes: readonly LanePlace[],
): Promise<(lane: LanePlace) => OffsetTranslator> {
  await using client = await openClient(regionAddress(from.topology, from.state, from.target), {
    clientId: "quickstart",
  });
  const deps = { client, clock: nodeClock(), random: nodeRandom(), logger: silentLogger };
  await using store = await openKafkaProgress({}, deps);
  let maps = new Map<string, OffsetMap>();
  const reached = async (): Promise<number> => {
    maps = await storedMaps(store, lanes);
    return lanes.filter((lane) => reachesEnd(lane, maps.get(placeOf(lane)))).length;
  };
  const wait = {
    what: "stored offset maps",
    wanted: lanes.length,
    timeoutMs: STORED_TIMEOUT_MS,
    pollMs: STORED_POLL_MS,
  };
  await until(wait, reached).catch(() => undefined);
  return (lane) => translator(maps.get(placeOf(lane)));
}

/** An empty source is reached without a map: nothing was ever copied. */
function reachesEnd({ source }: LanePlace, map: OffsetMap | undefined): boolean {
  return (map?.progress.sourceNext ?? source.startOffset) >= source.endOffset;
}

function placeOf({ target }: LanePlace): string {
  return `${target.topic}-${target.partition}`;
}

async function storedMaps(store: ProgressStore, lanes: readonly LanePlace[]): Promise<Map<string, OffsetMap>> {
  const states = await store.list();
  const maps = new Map<string, OffsetMap>();
  for (const lane of lanes) {
    const state = states.find((one) => isOf(one, lane));
    const stored = state && (await store.load(state.lane));
    if (stored?.map !== undefined) maps.set(placeOf(lane), stored.map);
  }
  return maps;
}

/** Each source has a target topic of its own, so the target's place says which lane it is. */
function isOf(state: LaneStateRecord, { target }: LanePlace): boolean {
  return state.targetTopic === target.topic && state.lane.targetPartition === target.partition;
}

function translator(map: OffsetMap | undefined): OffsetTranslator {
  return {
    translate: (sourceNext) => {
      const answer = map?.translate(sourceNext);
      return answer?.kind === "exact" ? answer.targetOffset : undefined;
    },
    reverse: (targetNext) => {
      const answer = map?.reverse(targetNext);
      return answer?.kind === "exact" ? answer.sourceOffset : undefined;
    },
  };
}
