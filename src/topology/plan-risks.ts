/** What a target would do to records as old, or as new, as the source's: told before they are copied, with the command
 *  that mends it. */

import type { PlannedPair } from "./plan-changes.ts";

/** Settings of a target that time limits depend on; undefined where it does not tell. */
export interface TimeLimits {
  readonly bootstrap: string;
  readonly producerIdExpirationMs: number | undefined;
  /** Of topics that set nothing themselves. */
  readonly topicDefaults: ReadonlyMap<string, string>;
}

/** Something that will go wrong, or not as expected. */
export interface PlanRisk {
  readonly code: "producer-expires" | "retention-deletes" | "too-old" | "too-new" | "adoption-needed" | "recreated";
  readonly region: string;
  readonly topic: string;
  readonly what: string;
  /** A command, of Kafka's own tools where a setting helps; undefined when none does. */
  readonly mend: string | undefined;
}

/** Kafka holds `producer.id.expiration.ms` in 32 bits: 24.8 days. */
const EXPIRATION_MS_MAX = 2_147_483_647;
const DAY_MS = 86_400_000;
const FOREVER = "9223372036854775807";

/** Risks of all pairs at a time. */
export function risksOf(
  pairs: readonly PlannedPair[],
  limits: ReadonlyMap<string, TimeLimits>,
  nowMs: number,
): readonly PlanRisk[] {
  return pairs.flatMap((pair) => {
    const of = limits.get(pair.flow.target);
    return of === undefined ? [] : risksOfPair(pair, of, nowMs);
  });
}

function risksOfPair(pair: PlannedPair, limits: TimeLimits, nowMs: number): readonly PlanRisk[] {
  const { oldestMs, newestMs } = pair.source;
  const ageMs = oldestMs === undefined ? undefined : nowMs - oldestMs;
  const aheadMs = newestMs === undefined ? undefined : newestMs - nowMs;
  const found = [
    ageMs === undefined ? undefined : expires(pair, limits, ageMs),
    ageMs === undefined ? undefined : deletes(pair, limits, ageMs),
    ageMs === undefined ? undefined : outside(pair, limits, { code: "too-old", bound: "before", byMs: ageMs }),
    aheadMs === undefined ? undefined : outside(pair, limits, { code: "too-new", bound: "after", byMs: aheadMs }),
  ];
  return found.filter((risk) => risk !== undefined);
}

function expires(pair: PlannedPair, limits: TimeLimits, ageMs: number): PlanRisk | undefined {
  const { flow, planned } = pair;
  const limitMs = limits.producerIdExpirationMs;
  if (flow.mirror.delivery !== "exactly-once" || limitMs === undefined || ageMs < limitMs / 2) return undefined;
  // Live mode takes what is younger than half of it.
  const neededMs = Math.ceil(2 * (ageMs + DAY_MS));
  const what = `records are up to ${days(ageMs)} old and the target forgets producers ${days(limitMs)} after a record's own time (producer.id.expiration.ms): they are copied in transactions, which leave holes in the copy's offsets and need ClusterAction and Write on transactional ids "tributary.lane." there`;
  const helps = neededMs <= EXPIRATION_MS_MAX;
  const command = `kafka-configs --bootstrap-server ${limits.bootstrap} --alter --entity-type brokers --entity-default --add-config producer.id.expiration.ms=${neededMs}`;
  return {
    code: "producer-expires",
    region: flow.target,
    topic: planned.target,
    what: helps ? what : `${what}; no value is large enough to do without (24.8 days at most)`,
    mend: helps ? command : undefined,
  };
}

function deletes(pair: PlannedPair, limits: TimeLimits, ageMs: number): PlanRisk | undefined {
  const policy = settingOf(pair, limits, "cleanup.policy") ?? "delete";
  const retentionMs = Number(settingOf(pair, limits, "retention.ms") ?? -1);
  const ownTime = settingOf(pair, limits, "message.timestamp.type") === "LogAppendTime";
  if (ownTime || !policy.split(",").includes("delete") || retentionMs < 0 || ageMs < retentionMs) return undefined;
  const returns =
    pair.flow.mirror.create.sync.includes("retention.ms") && pair.source.settings?.has("retention.ms") === true;
  const what = `records are up to ${days(ageMs)} old and the target deletes what is older than ${days(retentionMs)} (retention.ms): it will empty while they are copied`;
  return {
    code: "retention-deletes",
    region: pair.flow.target,
    topic: pair.planned.target,
    what: returns ? `${what}; leave retention.ms out of create.sync, or the source's value comes back` : what,
    mend: topicCommand(pair, limits, "retention.ms=-1"),
  };
}

function outside(
  pair: PlannedPair,
  limits: TimeLimits,
  {
    code,
    bound,
    byMs,
  }: { readonly code: "too-old" | "too-new"; readonly bound: "before" | "after"; readonly byMs: number },
): PlanRisk | undefined {
  const name = `message.timestamp.${bound}.max.ms`;
  const limit = settingOf(pair, limits, name);
  if (limit === undefined || byMs <= Number(limit)) return undefined;
  const side = bound === "before" ? `${days(byMs)} old` : `${days(byMs)} ahead of the clock`;
  const what = `records are up to ${side} and the target refuses more than ${days(Number(limit))} (${name}): the lane would stop`;
  const mend = topicCommand(pair, limits, `${name}=${FOREVER}`);
  return { code, region: pair.flow.target, topic: pair.planned.target, what, mend };
}

/** As it will be once the plan is carried out. */
function settingOf({ flow, source, target }: PlannedPair, limits: TimeLimits, name: string): string | undefined {
  const carried = flow.mirror.create.sync.includes(name) ? source.settings?.get(name) : undefined;
  return carried ?? target?.effective?.get(name) ?? (target === undefined ? limits.topicDefaults.get(name) : undefined);
}

function topicCommand({ planned }: PlannedPair, { bootstrap }: TimeLimits, setting: string): string {
  return `kafka-configs --bootstrap-server ${bootstrap} --alter --entity-type topics --entity-name ${planned.target} --add-config ${setting}`;
}

/** `9000 days`, `1.5 hours`. */
function days(ms: number): string {
  const [value, unit] = ms >= 2 * DAY_MS ? [ms / DAY_MS, "days"] : [ms / 3_600_000, "hours"];
  return `${value >= 10 ? Math.round(value) : Math.round(value * 10) / 10} ${unit}`;
}
