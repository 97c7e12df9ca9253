/** A region as a plan needs it: its topics with their settings and the age of their records, and the limits of its clocks. */

import { listTopics } from "../client/admin.ts";
import { type ConfigEntry, describeConfigs } from "../client/configs.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { AT_MAX_TIMESTAMP, listOffsets } from "../client/list-offsets.ts";
import { mayWriteMarkers } from "../client/transactions.ts";
import type { Clock } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import { silentLogger } from "../core/logger.ts";
import { MADE_TOPIC, type MadeRecord } from "../topology/made.ts";
import type { LiveTopic } from "../topology/plan.ts";
import type { LiveAcls } from "../topology/plan-acls.ts";
import type { RegionFacts } from "../topology/plan-changes.ts";
import type { TimeLimits } from "../topology/plan-risks.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { KafkaAcls } from "./kafka-acls.ts";
import { KafkaGroups } from "./kafka-groups.ts";
import { openKafkaMade } from "./kafka-made.ts";
import { topicInfo } from "./kafka-partitions.ts";

/** Topics per request. */
const TOPICS_MAX = 200;
/** For each question. */
const CALL_TIMEOUT_MS = 10_000;

/** What was found. */
export interface RegionSurvey {
  readonly topics: readonly LiveTopic[];
  readonly facts: RegionFacts;
  readonly limits: TimeLimits;
  /** Rules about topics, if they were asked for; undefined without an authorizer, a text when they cannot be read. */
  readonly acls: LiveAcls["acls"];
  /** Whether the client may keep other writers out of a partition; undefined where the region does not tell. */
  readonly takesFence: boolean | undefined;
  /** Consumer groups, if they were asked for. */
  readonly groups: readonly string[];
}

/** What is asked for besides topics and settings. */
export interface SurveyOptions {
  /** Topics whose records' age matters. */
  readonly isAged: (topic: string) => boolean;
  readonly asksAcls?: boolean;
  readonly asksGroups?: boolean;
}

/** Asks for everything. @throws {ClientError} */
export async function surveyRegion(
  { client, clock }: { readonly client: KafkaClient; readonly clock: Clock },
  options: SurveyOptions,
): Promise<RegionSurvey> {
  const listed = await listTopics(client);
  const { brokers } = client.metadata;
  const bootstrap = [...brokers.values()].map(({ host, port }) => `${host}:${port}`)[0] ?? "";
  const names = listed.map(({ name }) => name);
  const [settings, ages, limits, acls, made, groups, takesFence] = await Promise.all([
    settingsOf(client, names),
    agesOf(
      client,
      listed
        .filter(({ name }) => options.isAged(name))
        .map((topic) => ({ topic: topic.name, partitions: topic.partitions.length })),
    ),
    limitsOf(client),
    options.asksAcls === true ? aclsOf(client) : undefined,
    names.includes(MADE_TOPIC) ? madeIn(client, clock) : [],
    options.asksGroups === true ? new KafkaGroups({ client, logger: silentLogger }).list() : [],
    mayWriteMarkers(client, { timeoutMs: CALL_TIMEOUT_MS }),
  ]);
  const topics = listed.map((topic): LiveTopic => {
    const { topicId, partitions, replicationFactor } = topicInfo(topic);
    const entries = settings.get(topic.name) ?? new Map<string, ConfigEntry>();
    return {
      name: topic.name,
      topicId,
      partitions,
      replicationFactor,
      settings: valuesOf(entries, ({ source }) => source === "topic"),
      effective: valuesOf(entries, () => true),
      ...ages.get(topic.name),
    };
  });
  const facts = { clusterId: client.metadata.clusterId ?? "", brokers: brokers.size, made };
  return { topics, facts, limits: { bootstrap, ...limits }, acls, groups, takesFence };
}

function aclsOf(client: KafkaClient): Promise<LiveAcls["acls"]> {
  return new KafkaAcls({ client }).acls().catch((error: unknown) => toError(error).message);
}

async function madeIn(client: KafkaClient, clock: Clock): Promise<readonly MadeRecord[]> {
  return (await openKafkaMade({ readOnly: true }, { client, clock })).list();
}

function valuesOf(entries: ReadonlyMap<string, ConfigEntry>, takes: (entry: ConfigEntry) => boolean) {
  const taken = [...entries.values()].filter((entry) => entry.value !== null && takes(entry));
  return new Map(taken.map(({ name, value }) => [name, value ?? ""]));
}

async function settingsOf(client: KafkaClient, names: readonly string[]) {
  const found = new Map<string, ReadonlyMap<string, ConfigEntry>>();
  for (let at = 0; at < names.length; at += TOPICS_MAX) {
    const resources = names.slice(at, at + TOPICS_MAX).map((name) => ({ type: "topic", name }) as const);
    for (const { name, entries } of await describeConfigs(client, resources, { timeoutMs: CALL_TIMEOUT_MS }))
      found.set(name, entries);
  }
  return found;
}

type Age = Pick<LiveTopic, "oldestMs" | "newestMs">;

/** By the first record of each partition with a time, and by the newest one; a broker that does not say leaves it out. */
async function agesOf(
  client: KafkaClient,
  topics: readonly { readonly topic: string; readonly partitions: number }[],
): Promise<ReadonlyMap<string, Age>> {
  const refs = topics.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, index) => ({ topic, index })),
  );
  const times = async (timestampMs: bigint, pick: (...values: number[]) => number): Promise<Map<string, number>> => {
    const questions = refs.map((ref) => ({ ...ref, timestampMs }));
    const answers = await listOffsets(client, questions, { timeoutMs: CALL_TIMEOUT_MS }).catch(() => []);
    const told = answers.filter((answer) => answer.errorCode === ErrorCode.NONE && answer.timestampMs >= 0n);
    const byTopic = Map.groupBy(told, ({ topic }) => topic);
    return new Map([...byTopic].map(([topic, all]) => [topic, pick(...all.map((one) => Number(one.timestampMs)))]));
  };
  const [oldest, newest] = await Promise.all([times(0n, Math.min), times(AT_MAX_TIMESTAMP, Math.max)]);
  return new Map(
    topics.map(({ topic }): [string, Age] => {
      const [oldestMs, newestMs] = [oldest.get(topic), newest.get(topic)];
      return [
        topic,
        { ...(oldestMs === undefined ? {} : { oldestMs }), ...(newestMs === undefined ? {} : { newestMs }) },
      ];
    }),
  );
}

/** What a topic inherits, by the name that it has on a broker. */
const INHERITED: Readonly<Record<string, string>> = {
  "log.cleanup.policy": "cleanup.policy",
  "log.message.timestamp.type": "message.timestamp.type",
  "log.message.timestamp.before.max.ms": "message.timestamp.before.max.ms",
  "log.message.timestamp.after.max.ms": "message.timestamp.after.max.ms",
};
/** The first that is set counts; in milliseconds each. */
const RETENTION: readonly (readonly [string, number])[] = [
  ["log.retention.ms", 1],
  ["log.retention.minutes", 60_000],
  ["log.retention.hours", 3_600_000],
];

async function limitsOf(client: KafkaClient): Promise<Omit<TimeLimits, "bootstrap">> {
  const name = String([...client.metadata.brokers.keys()][0] ?? "");
  const [described] = await describeConfigs(client, [{ type: "broker", name }], { timeoutMs: CALL_TIMEOUT_MS });
  const value = (setting: string) => described?.entries.get(setting)?.value ?? undefined;
  const topicDefaults = new Map<string, string>();
  for (const [broker, topic] of Object.entries(INHERITED)) {
    const inherited = value(broker);
    if (inherited !== undefined) topicDefaults.set(topic, inherited);
  }
  const retention = RETENTION.find(([setting]) => value(setting) !== undefined);
  if (retention !== undefined) topicDefaults.set("retention.ms", String(Number(value(retention[0])) * retention[1]));
  const expiration = value("producer.id.expiration.ms");
  return { topicDefaults, producerIdExpirationMs: expiration === undefined ? undefined : Number(expiration) };
}
