/** Makes the topic that a restore fills, or checks the one that is there. */

import { createTopics } from "../../client/admin.ts";
import { alterConfigs, describeConfigs } from "../../client/configs.ts";
import { brokerError } from "../../client/errors.ts";
import type { Uuid } from "../../core/brand.ts";
import type { TopicInfo } from "../../mirror/ports.ts";
import { restoreError } from "../../tier/restore/restore-error.ts";
import type { TopicRestore } from "../../tier/restore/restore-plan.ts";
import { settingsToCreate, settingsToFinish, WHILE_RESTORED } from "../../tier/restore/topic-settings.ts";
import { DEFAULT_SYNCED_SETTINGS } from "../../topology/topic-settings.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { RestoreTarget } from "./restore-target.ts";

/** A topic on the target. */
export interface TargetTopic {
  readonly topic: string;
  readonly topicId: Uuid;
}

/** What came of looking or making. */
export interface MadeTopic extends TargetTopic {
  readonly created: boolean;
  /** Settings of the archive that the target does not take. */
  readonly warnings: readonly string[];
}

/** @throws {RestoreError} `RESTORE_TOO_FEW_PARTITIONS` @throws {ClientError | MirrorError} */
export async function topicFor(plan: TopicRestore, name: string, to: RestoreTarget): Promise<MadeTopic> {
  const before = await shownTopic(name, to);
  if (before !== undefined) {
    demandPartitions(plan, before);
    return { topic: name, topicId: before.topicId, created: false, warnings: [] };
  }
  const warnings = await create(plan, name, to);
  const replicationFactor = plan.record?.replicationFactor ?? 1;
  // It is there: this waits until every partition answers.
  await to.target.createTopic({ topic: name, partitions: plan.partitionCount, replicationFactor });
  const made = await shownTopic(name, to);
  if (made === undefined) throw brokerError("CreateTopics", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, { subject: name });
  demandPartitions(plan, made);
  return { topic: name, topicId: made.topicId, created: true, warnings };
}

/** Undefined when there is none. @throws {MirrorError} */
export async function shownTopic(name: string, to: RestoreTarget): Promise<TopicInfo | undefined> {
  return (await to.target.topics()).find(({ topic }) => topic === name);
}

/** @throws {RestoreError} */
export function demandPartitions(
  { partitionCount: wanted }: TopicRestore,
  { topic, partitions: actual }: TopicInfo,
): void {
  if (actual < wanted) throw restoreError({ code: "RESTORE_TOO_FEW_PARTITIONS", topic, wanted, actual });
}

/** Gives a topic that a restore has made its last settings; others are left alone. What to tell about them.
 *  @throws {ClientError} */
export async function finishTopic(
  plan: TopicRestore,
  name: string,
  { retentionMs, to }: { readonly retentionMs: number | undefined; readonly to: RestoreTarget },
): Promise<readonly string[]> {
  const resource = { type: "topic", name } as const;
  const [described] = await describeConfigs(to.client, [resource]);
  const isOurs = [...WHILE_RESTORED].every(([setting, value]) => {
    const entry = described?.entries.get(setting);
    return entry?.source === "topic" && entry.value === value;
  });
  if (!isOurs) return [];
  const settings = settingsToFinish(plan, { retentionMs, nowMs: to.clock.nowMs() });
  await alterConfigs(to.client, resource, { changes: settings });
  return settings.flatMap(({ warning }) => (warning === undefined ? [] : [warning]));
}

/** The settings that the target refused. */
async function create(plan: TopicRestore, name: string, to: RestoreTarget): Promise<readonly string[]> {
  const brokers = Math.max(1, to.client.metadata.brokers.size);
  const replicationFactor = Math.max(1, Math.min(plan.record?.replicationFactor ?? 1, brokers));
  const attempt = async (settings: ReadonlyMap<string, string>, validateOnly: boolean): Promise<number> => {
    const configs = Object.fromEntries(settings);
    const spec = { name, partitions: plan.partitionCount, replicationFactor, configs };
    const [outcome] = await createTopics(to.client, [spec], { validateOnly });
    const errorCode = outcome?.errorCode ?? ErrorCode.UNKNOWN;
    if (FINE.has(errorCode)) return errorCode;
    throw brokerError("CreateTopics", errorCode, { subject: name, message: outcome?.errorMessage ?? null });
  };
  const wanted = settingsToCreate(plan, DEFAULT_SYNCED_SETTINGS);
  if ((await attempt(wanted, false)) !== ErrorCode.INVALID_CONFIG) return [];
  const refused: string[] = [];
  for (const [setting, value] of wanted)
    if ((await attempt(new Map([[setting, value]]), true)) === ErrorCode.INVALID_CONFIG) refused.push(setting);
  const errorCode = await attempt(new Map([...wanted].filter(([setting]) => !refused.includes(setting))), false);
  if (errorCode === ErrorCode.INVALID_CONFIG) throw brokerError("CreateTopics", errorCode, { subject: name });
  return refused.map(
    (setting) => `${setting}=${wanted.get(setting)} of ${name} is not taken over: the target refuses it`,
  );
}

const FINE: ReadonlySet<number> = new Set([ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.INVALID_CONFIG]);
