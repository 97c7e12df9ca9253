/** Did the consumer groups move: committed offsets stand exactly at the next unread record, and a consumer of the same
 *  group on the other side reads precisely the rest. */

import { type Anomaly, anomalyAt, byFlight, type LaneContent, type SeenRecord } from "./records.ts";

/** Committed offsets of a group, by partition; a partition without a commit is absent. */
export type Commits = ReadonlyMap<number, bigint>;

/** One group of one source region, on both sides. */
export interface GroupContent {
  readonly group: string;
  readonly region: string;
  readonly lanes: readonly LaneContent[];
  readonly sourceCommits: Commits;
  readonly targetCommits: Commits;
}

/** Where the target's commit has to stand: at the copy of the first record at or after the source's commit, or after
 *  the last copy when everything was read. Undefined when the source has no commit. */
export function expectedCommit(lane: LaneContent, sourceCommit: bigint | undefined): bigint | undefined {
  if (sourceCommit === undefined) return undefined;
  const copies = byFlight(lane.target);
  for (const record of lane.source.records) {
    if (record.offset < sourceCommit || record.flight === undefined) continue;
    const copy = copies.get(record.flight);
    if (copy !== undefined) return copy.offset;
  }
  const last = lane.target.records.at(-1);
  return last === undefined ? lane.target.endOffset : last.offset + 1n;
}

/** Compares every partition's commit with `expectedCommit`. */
export function checkCommits(content: GroupContent): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const lane of content.lanes) {
    const sourceCommit = content.sourceCommits.get(lane.source.partition);
    const wanted = expectedCommit(lane, sourceCommit);
    const given = content.targetCommits.get(lane.target.partition);
    if (given === wanted) continue;
    const { topic, partition } = lane.target;
    const next = lane.source.records.find(({ offset }) => sourceCommit !== undefined && offset >= sourceCommit);
    anomalies.push({
      kind: "group",
      topic,
      partition,
      offset: given ?? -1n,
      flight: next?.flight,
      detail:
        `group ${content.group} committed ${sourceCommit ?? "nothing"} in ${content.region}, which is ` +
        `${wanted ?? "nothing"} here, but the commit here is ${given ?? "nothing"}`,
    });
  }
  return anomalies;
}

/** Compares what a consumer of the group read on the target, from its commits to the end, with the records that the
 *  group had not read on the source: none skipped, none read again, in order. `read` holds what it got, as it came. */
export function checkContinuation(content: GroupContent, read: readonly SeenRecord[]): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const lane of content.lanes) {
    const commit = content.sourceCommits.get(lane.source.partition) ?? 0n;
    const unread = lane.source.records.filter(({ offset }) => offset >= commit);
    const got = read.filter(
      ({ topic, partition }) => topic === lane.target.topic && partition === lane.target.partition,
    );
    compareRest({ group: content.group, unread, got }, anomalies);
  }
  return anomalies;
}

function compareRest(
  rest: { readonly group: string; readonly unread: readonly SeenRecord[]; readonly got: readonly SeenRecord[] },
  anomalies: Anomaly[],
): void {
  const wanted = new Map(rest.unread.map((record, place) => [record.flight, place]));
  const seen = new Set<number>();
  let latestPlace = -1;
  for (const record of rest.got) {
    const place = wanted.get(record.flight);
    if (place === undefined || seen.has(place)) {
      anomalies.push(anomalyAt("group", record, `group ${rest.group} read it again`));
      continue;
    }
    seen.add(place);
    if (place < latestPlace) anomalies.push(anomalyAt("group", record, `group ${rest.group} got it out of order`));
    latestPlace = Math.max(latestPlace, place);
  }
  for (const [place, record] of rest.unread.entries()) {
    if (!seen.has(place)) anomalies.push(anomalyAt("group", record, `group ${rest.group} skipped it`));
  }
}
