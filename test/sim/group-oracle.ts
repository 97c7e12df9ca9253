/** Judges where groups stand on the target: at exactly the next record that they have not read. */

import { fetchOffsets } from "../../src/client/groups.ts";
import type { KafkaClient } from "../../src/client/kafka-client.ts";
import { type LaneFacts, laneFacts, laneName, laneViews } from "./lane-facts.ts";
import { type Finding, pairsOf } from "./oracle.ts";
import { destroysIn, type SimPlan } from "./plan.ts";
import type { Position } from "./readers.ts";
import { targetTopicOf } from "./sim-worker.ts";
import type { SimWorld } from "./world.ts";

/** What is still wrong with the groups; asked again until group sync has had its time. */
export async function judgeGroups(world: SimWorld, plan: SimPlan): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { region, positions } of world.readers) {
    const to = region === "east" ? "west" : "east";
    if (positions.length === 0) continue;
    const client = await world.admin(to);
    try {
      const commits = await committed(client, positions);
      for (const position of positions) {
        const lane = laneFacts(world, { from: region, to, topic: position.topic, partition: position.partition });
        if (isUntold(world, lane)) continue;
        const finding = judge({ world, plan, lane }, { position, commit: commits.get(keyOf(world, position)) });
        if (finding !== undefined) findings.push(finding);
      }
    } finally {
      await client.close();
    }
  }
  return findings;
}

/** Where both sides write, a position is told by both lanes: not when the other one has stopped, or retention took its beginning. */
function isUntold(world: SimWorld, { from, to, topic, partition, targetStart }: LaneFacts): boolean {
  if (world.shape.directions === "one-way") return false;
  const views = laneViews(world, { from: to, to: from, topic, partition });
  return targetStart > 0n || views.some(({ status }) => status?.state === "stopped");
}

function judge(
  { world, plan, lane }: { readonly world: SimWorld; readonly plan: SimPlan; readonly lane: LaneFacts },
  { position, commit }: { readonly position: Position; readonly commit: bigint | undefined },
): Finding | undefined {
  const { offset, group } = position;
  // What a group means that stands below the log's start, or beyond an end that was cut off, nobody can say.
  if (lane.stopped !== undefined || lane.repeats > 0n || offset < lane.sourceStart || offset > lane.sourceEnd)
    return undefined;
  const where = `${group} in ${laneName(lane)} at ${offset}`;
  if (commit === undefined) return { anomaly: "DR-REPROCESS", what: `${where}: no position on the target` };
  const pairs = pairsOf(lane, lane.source);
  const unread = pairs.filter(({ source }) => source >= offset).map(({ target }) => target);
  const first = unread.reduce<bigint | undefined>(
    (low, next) => (low === undefined || next < low ? next : low),
    undefined,
  );
  // A commit from before the target lost records stays where it is, and what comes again may lie in another order.
  if (commit > (first ?? lane.targetEnd) && destroysIn(plan, lane.to)) return undefined;
  if (commit > (first ?? lane.targetEnd))
    return { anomaly: "DR-SKIP", what: `${where}: ${commit} on the target, past ${first ?? lane.targetEnd}` };
  // In two-way worlds a group may read again what it met as a copy; never more than that.
  if (world.shape.directions === "two-way") return undefined;
  const lastRead = pairs.filter(({ source }) => source < offset).at(-1)?.target;
  return lastRead !== undefined && commit <= lastRead
    ? { anomaly: "DR-REPROCESS", what: `${where}: ${commit} on the target, where ${lastRead} was read` }
    : undefined;
}

async function committed(client: KafkaClient, positions: readonly Position[]): Promise<ReadonlyMap<string, bigint>> {
  const groups = [...new Set(positions.map(({ group }) => group))];
  const answers = await fetchOffsets(
    client,
    groups.map((groupId) => ({ groupId })),
    { requireStable: false },
  );
  const commits = new Map<string, bigint>();
  for (const { groupId, offsets } of answers) {
    for (const { topic, index, committedOffset } of offsets) {
      if (committedOffset >= 0n) commits.set(`${groupId}/${topic}/${index}`, committedOffset);
    }
  }
  return commits;
}

function keyOf(world: SimWorld, { group, topic, partition }: Position): string {
  return `${group}/${targetTopicOf(world.shape, topic)}/${partition}`;
}
