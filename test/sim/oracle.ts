/** Judges a run from the outside: from what producers and groups know, and from what the logs hold. */

import type { OffsetMap } from "../../src/mirror/offset-map.ts";
import { isExplained, type LaneFacts, laneName } from "./lane-facts.ts";
import type { LedgerRecord } from "./ledger.ts";
import type { LogRecord } from "./log-records.ts";
import { destroysIn, type SimPlan } from "./plan.ts";
import type { SimWorld } from "./world.ts";

/** What can be wrong; names as in drills. */
export type Anomaly =
  /** Acknowledged, and not on the target although the lane is at the end. */
  | "DR-LOST"
  /** One source record twice on the target. */
  | "DR-DUP-MIRROR"
  | "DR-REORDER"
  /** A record is missing, later ones are there. */
  | "DR-GAP"
  /** Key, value, headers, timestamp or partition differ. */
  | "DR-MUTATE"
  /** A record came back to where it was produced. */
  | "DR-LOOP"
  /** A source or target lost what it had acknowledged although nothing in the plan takes records away. */
  | "BROKER-LOST"
  | "WRONG-TRANSLATION"
  /** A group's position on the target is past an unread record. */
  | "DR-SKIP"
  /** A group's position on the target is before a record that was read. */
  | "DR-REPROCESS"
  /** A lane stopped for a reason that the plan does not explain. */
  | "STOPPED"
  /** Not complete in time after everything was healed. */
  | "STUCK"
  /** A mistake in the program surfaced. */
  | "CRASH"
  /** The same seed did two different things. */
  | "NOT-REPEATABLE";

/** One thing that is wrong. */
export interface Finding {
  readonly anomaly: Anomaly;
  readonly what: string;
}

/** Everything that is wrong with a lane's records and maps. */
export function judgeLane(world: SimWorld, plan: SimPlan, lane: LaneFacts): readonly Finding[] {
  const copied = judgeCopies(world, lane);
  if (copied.length > 0) return copied;
  markIncarnations(world, lane);
  const { stopped } = lane;
  if (stopped !== undefined && !isExplained(plan, lane, stopped))
    return [{ anomaly: "STOPPED", what: `${laneName(lane)}: ${JSON.stringify(stopped, bigints)}` }];
  return [...judgeLedger(world, plan, lane), ...judgeMaps(world, lane)];
}

/** Records of a topic and of the one that took its name are both on the target. */
function markIncarnations(world: SimWorld, { target, topicId, stopped }: LaneFacts): void {
  const ids = new Set(target.map(({ content }) => world.ledger.find(content)?.origin.topicId));
  if (ids.has(topicId) && ids.size > 1 && world.shape.directions === "one-way" && stopped === undefined)
    world.marks.hit("recreated-restarted");
}

function judgeCopies(world: SimWorld, lane: LaneFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const find = (anomaly: Anomaly, at: LogRecord, what: string): void => {
    findings.push({ anomaly, what: `${laneName(lane)}: ${what} at target offset ${at.offset} (${short(at.content)})` });
  };
  const order = new Map(ownRecords(world, lane).map((record, index) => [record.content, { record, index }]));
  const seen = new Set<string>();
  let last = -1;
  let repeatsLeft = lane.repeats;
  for (const copy of lane.target) {
    const entry = world.ledger.find(copy.content);
    const known = order.get(copy.content);
    if (entry === undefined) find("DR-MUTATE", copy, "a record that nobody produced");
    else if (seen.has(copy.content) && entry.origin.region === lane.from && repeatsLeft > 0n) {
      repeatsLeft--;
      world.marks.hit("repeats-reported");
    } else if (seen.has(copy.content))
      find(entry.origin.region === lane.to ? "DR-LOOP" : "DR-DUP-MIRROR", copy, "a record for the second time");
    else if (entry.origin.topic !== lane.topic || entry.origin.partition !== lane.partition)
      find("DR-MUTATE", copy, `a record of ${entry.origin.topic}/${entry.origin.partition}`);
    else if (entry.origin.region === lane.from && copy.timestampMs !== timeOf(world, entry, known?.record, copy))
      find("DR-MUTATE", copy, `timestamp ${copy.timestampMs}, not ${known?.record.timestampMs ?? entry.timestampMs}`);
    else if (known !== undefined) {
      if (known.index < last) find("DR-REORDER", copy, `source offset ${known.record.offset} after later ones`);
      else if (known.index > last + 1 && !(last < 0 && lane.targetStart > 0n))
        find("DR-GAP", copy, `${known.index - last - 1} records missing`);
      last = Math.max(last, known.index);
    }
    seen.add(copy.content);
    if (findings.length > 0) return findings;
  }
  const missing = order.size - 1 - last;
  // Retention on the target may have taken all that it held of the lane.
  const isHidden = last < 0 && lane.targetStart > 0n;
  if (missing > 0 && !isHidden && lane.stopped === undefined)
    findings.push({ anomaly: "DR-LOST", what: `${laneName(lane)}: the last ${missing} records are missing` });
  return findings;
}

/** Records of the source log that were produced there. */
function ownRecords(world: SimWorld, lane: LaneFacts): readonly LogRecord[] {
  return lane.source.filter(({ content }) => world.ledger.find(content)?.origin.region === lane.from);
}

/** The source log's time counts; where the source lost the record, the producer's, unless the broker set another one. */
function timeOf(world: SimWorld, entry: LedgerRecord, known: LogRecord | undefined, copy: LogRecord): bigint {
  if (known !== undefined) return known.timestampMs;
  const isStamped = world.shape.topics.some(({ name, appendTime }) => appendTime && name === entry.origin.topic);
  return isStamped ? copy.timestampMs : entry.timestampMs;
}

/** Acknowledged records are at the source where they were acknowledged, or it is known why not. */
function judgeLedger(world: SimWorld, plan: SimPlan, lane: LaneFacts): readonly Finding[] {
  const at = new Map(lane.source.map((record) => [record.offset, record.content]));
  const copied = new Set(lane.target.map(({ content }) => content));
  const findings: Finding[] = [];
  for (const entry of world.ledger.values()) {
    const { origin, outcome, offset, content } = entry;
    if (origin.topicId !== lane.topicId || origin.partition !== lane.partition || outcome !== "ok") continue;
    if (offset === undefined || at.get(offset) === content) continue;
    if (offset < lane.sourceStart) {
      if (!copied.has(content) && !isInGap(lane, offset) && hadBegun(lane, offset) && lane.stopped === undefined)
        findings.push({
          anomaly: "DR-LOST",
          what: `${laneName(lane)}: ${short(content)} was deleted, not copied, and no gap tells`,
        });
      continue;
    }
    world.marks.hit("source-lost");
    if (!destroysIn(plan, lane.from))
      findings.push({ anomaly: "BROKER-LOST", what: `${laneName(lane)}: ${short(content)} acknowledged at ${offset}` });
  }
  return findings.slice(0, 1);
}

/** False when every worker's lane began behind the offset: what was deleted before that is no gap. */
function hadBegun({ views }: LaneFacts, offset: bigint): boolean {
  return views.some(({ map }) => map !== undefined && map.floor.source <= offset);
}

function isInGap({ views }: LaneFacts, offset: bigint): boolean {
  return views.some(({ status }) =>
    status?.gaps.some(({ fromOffset, toOffset }) => offset >= fromOffset && offset < toOffset),
  );
}

/** For every source offset the map names the first target record at or after it, and back. */
function judgeMaps(world: SimWorld, lane: LaneFacts): readonly Finding[] {
  // What is there twice has no one place.
  if (lane.stopped !== undefined || lane.repeats > 0n) return [];
  const pairs = pairsOf(lane, ownRecords(world, lane));
  for (const { map, worker } of lane.views) {
    if (map === undefined) continue;
    const wrong = wrongTranslation(map, lane, pairs);
    if (wrong !== undefined)
      return [{ anomaly: "WRONG-TRANSLATION", what: `${laneName(lane)} by ${worker}: ${wrong}` }];
  }
  return [];
}

/** Where a record is on both sides. */
export interface Pair {
  readonly source: bigint;
  readonly target: bigint;
}

/** Records that are on both sides of a lane, in the source's order. */
export function pairsOf(lane: LaneFacts, records: readonly LogRecord[]): readonly Pair[] {
  const targets = new Map(lane.target.map(({ content, offset }) => [content, offset]));
  return records.flatMap(({ content, offset }) => {
    const target = targets.get(content);
    return target === undefined ? [] : [{ source: offset, target }];
  });
}

function wrongTranslation(map: OffsetMap, lane: LaneFacts, pairs: readonly Pair[]): string | undefined {
  let at = 0;
  // What retention has taken from the target is in no log to compare with.
  const firstOffset = lane.targetStart > 0n ? (pairs[0]?.source ?? map.progress.sourceNext) : lane.sourceStart;
  for (let offset = firstOffset; offset < map.progress.sourceNext; offset++) {
    while (at < pairs.length && (pairs[at]?.source ?? 0n) < offset) at++;
    const expected = pairs[at]?.target ?? map.progress.targetNext;
    const { kind, targetOffset } = map.translate(offset);
    // A map that begins behind what retention took knows less, and says so.
    if (kind === "expired" && lane.targetStart > 0n) continue;
    if (kind !== "exact" || targetOffset !== expected) return `${offset} -> ${kind} ${targetOffset}, not ${expected}`;
  }
  for (const { source, target } of pairs) {
    const { kind, sourceOffset } = map.reverse(target);
    if (kind === "expired" && lane.targetStart > 0n) continue;
    if (kind !== "exact" || sourceOffset !== source) return `${target} <- ${kind} ${sourceOffset}, not ${source}`;
  }
  return undefined;
}

function short(content: string): string {
  return JSON.stringify(content.slice(0, 60));
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
