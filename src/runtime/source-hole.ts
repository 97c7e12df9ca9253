/** Looks at the source for the reason why an offset was not mirrored. The source may be lost: then that is the answer. */

import { KafkaSource } from "../adapters/kafka-source.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { TributaryError } from "../core/errors.ts";
import { type HoleReason, holeReason } from "../mirror/hole-reason.ts";
import { producerIdOf, reverseLane } from "../mirror/lane-id.ts";
import { rulesOf } from "../mirror/plan.ts";
import { openClient, regionAddress } from "./connect.ts";
import type { StoredLaneMap } from "./stored-offsets.ts";
import type { StoredWorld } from "./stored-status.ts";

/** For the whole look; what does not come by then is said to be unknown. */
const LOOK_MS = 5_000;

/** The reason, or why it is not known. */
export type SourceHole = HoleReason | { readonly kind: "unknown"; readonly why: string };

/** Reads the source's batch at the offset under the rules that the lane's records were chosen by. */
export async function sourceHole(world: StoredWorld, lane: StoredLaneMap, offset: bigint): Promise<SourceHole> {
  const rules = rulesOf(lane.state.plan);
  if (rules === undefined) return { kind: "unknown", why: "the lane's rules are of another version" };
  const signal = AbortSignal.timeout(LOOK_MS);
  try {
    const address = regionAddress(world.topology, world.state, lane.flow.source);
    await using client = await openClient(address, { clientId: "tributary-offsets", signal });
    const source = new KafkaSource({}, { client, clock: nodeClock(), random: nodeRandom() });
    const { sourceTopicId: topicId, sourcePartition: partition } = lane.state.lane;
    const at = { topic: lane.sourceTopic, topicId, partition };
    const { startOffset, endOffset } = await source.bounds(at);
    if (offset < startOffset) return { kind: "gone" };
    if (offset >= endOffset) return { kind: "unknown", why: "the source ends before it" };
    const reader = source.open(at, { offset, leaderEpoch: -1 });
    try {
      const chunk = await reader.next(signal);
      const reverseProducerId = producerIdOf(reverseLane(lane.state.lane));
      return holeReason(offset, chunk, { ...rules, reverseProducerId }) ?? { kind: "gone" };
    } finally {
      reader.close();
    }
  } catch (error) {
    if (signal.aborted) return { kind: "unknown", why: "the source does not answer" };
    if (!(error instanceof TributaryError)) throw error;
    return { kind: "unknown", why: error.message };
  }
}
