/** `topology apply`: makes the changes of a plan, if the regions are still as the plan found them. */

import { readFileSync } from "node:fs";
import { KafkaAcls } from "../../adapters/kafka-acls.ts";
import { type KafkaMadeStore, openKafkaMade } from "../../adapters/kafka-made.ts";
import { nodeClock } from "../../adapters/node-clock.ts";
import { createPartitions, createTopics, type TopicOutcome } from "../../client/admin.ts";
import { alterConfigs } from "../../client/configs.ts";
import { brokerError } from "../../client/errors.ts";
import type { KafkaClient } from "../../client/kafka-client.ts";
import { type Uuid, ZERO_UUID } from "../../core/brand.ts";
import { toError } from "../../core/errors.ts";
import { openClient, regionAddress } from "../../runtime/connect.ts";
import { settingsRecords } from "../../topology/made.ts";
import type { PlannedChange, PlannedOrigin } from "../../topology/plan-changes.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { type LivePlan, livePlan } from "../live-plan.ts";
import { counted } from "../output.ts";
import { planText } from "../plan-output.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of the command. */
export interface ApplyOptions {
  readonly yes?: boolean;
}

/** Applies a plan file, or with `--yes` what a plan made now says. Exit 1 when a change failed or the plan is stale; the
 *  changes are tried each on its own, and repeating the command tries again what is left. */
export async function topologyApply(context: CliContext, options: ApplyOptions, file?: string): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const expected = file === undefined ? undefined : fingerprintIn(file);
  const live = await livePlan(context, inUse);
  const refusal = refusalOf(live, { file, expected, yes: options.yes === true });
  if (refusal !== undefined) {
    if (file === undefined) context.talk(planText(live));
    context.talk(`tributary: ${refusal.why}`);
    return refusal.exit;
  }
  const failed: { readonly change: PlannedChange; readonly why: string }[] = [];
  for (const [region, changes] of Map.groupBy(live.changes, (change) => change.region)) {
    const address = regionAddress(inUse.topology, inUse.state, region);
    await using client = await openClient(address, { clientId: "tributary-apply" });
    const made = await openKafkaMade({}, { client, clock: nodeClock() });
    for (const change of changes) {
      const why = await applied(client, made, change);
      if (why === undefined) context.talk(`${region} ${change.topic}: ${change.kind} done`);
      else failed.push({ change, why });
    }
  }
  for (const { change, why } of failed) context.talk(`${change.region} ${change.topic}: ${change.kind} failed: ${why}`);
  const done = live.changes.length - failed.length;
  const result = { applied: done, failed: failed.map(({ change, why }) => ({ ...idOf(change), why })) };
  context.data(result, () => `${counted(done, "change")} made, ${failed.length} failed`);
  return failed.length > 0 ? EXIT.failure : EXIT.ok;
}

function idOf({ kind, region, topic }: PlannedChange): object {
  return { kind, region, topic };
}

function refusalOf(
  live: LivePlan,
  given: { readonly file: string | undefined; readonly expected: string | undefined; readonly yes: boolean },
): { readonly why: string; readonly exit: ExitCode } | undefined {
  const { file, expected, yes } = given;
  if (live.unknown.length > 0)
    return { why: `nothing changed: ${live.unknown.join(", ")} cannot be asked`, exit: EXIT.unreachable };
  if (live.plan.collisions.length > 0)
    return { why: "nothing changed: topics would be written by more than one mirror", exit: EXIT.finding };
  if (file !== undefined && expected === undefined)
    return { why: `no plan can be read from ${file}; write one with topology plan --out ${file}`, exit: EXIT.usage };
  if (file !== undefined && expected !== live.fingerprint)
    return {
      why: `nothing changed: the regions or the topology are not as ${file} found them; look at a new one with topology plan --out ${file}`,
      exit: EXIT.failure,
    };
  if (file === undefined && !yes && live.changes.length > 0)
    return { why: "nothing changed; say --yes, or give the plan that you have looked at", exit: EXIT.usage };
  return undefined;
}

function fingerprintIn(file: string): string | undefined {
  try {
    const plan: unknown = JSON.parse(readFileSync(file, "utf8"));
    const isObject = typeof plan === "object" && plan !== null && "fingerprint" in plan;
    return isObject && typeof plan.fingerprint === "string" ? plan.fingerprint : undefined;
  } catch {
    return undefined; // the refusal says what to do, whatever is wrong with the file
  }
}

/** Makes one change; the reason when it failed. */
async function applied(client: KafkaClient, made: KafkaMadeStore, change: PlannedChange): Promise<string | undefined> {
  try {
    await CHANGES[change.kind](client, made, change as never);
    return undefined;
  } catch (error) {
    return toError(error).message;
  }
}

type Of<K extends PlannedChange["kind"]> = Extract<PlannedChange, { kind: K }>;
type Applied<C> = (client: KafkaClient, made: KafkaMadeStore, change: C) => Promise<void>;

/** Each keeps to the order of records and deeds that topology/made.ts describes. */
const CHANGES: { readonly [K in PlannedChange["kind"]]: Applied<Of<K>> } = {
  create: async (client, made, { topic, partitions, replicationFactor, settings, origin }) => {
    const configs = Object.fromEntries(settings.flatMap((one) => (one.to === null ? [] : [[one.name, one.to]])));
    const outcomes = await createTopics(client, [{ name: topic, partitions, replicationFactor, configs }]);
    check(outcomes);
    const of = ofTopic(origin, topic, outcomes[0]?.topicId ?? ZERO_UUID);
    const { topic: sourceTopic, topicId: sourceTopicId } = origin;
    await made.put([
      { kind: "topic", ...of, sourceTopic, sourceTopicId },
      { kind: "settings", ...of, settings: configs },
    ]);
  },
  grow: async (client, _, { topic: name, partitions: count }) => {
    check(await createPartitions(client, [{ name, count }]));
  },
  set: async (client, made, { topic: name, topicId, settings, origin }) => {
    const ours = (await made.list()).find((one) => one.kind === "settings" && one.targetTopicId === topicId);
    const known = new Map(ours?.kind === "settings" ? Object.entries(ours.settings) : []);
    const { before, after } = settingsRecords(ofTopic(origin, name, topicId), known, settings);
    await made.put([before]);
    const changes = settings.map((one) => ({ name: one.name, value: one.to }));
    await alterConfigs(client, { type: "topic", name }, { changes });
    if (after !== undefined) await made.put([after]);
  },
  "add-rule": async (client, made, { acl, record }) => {
    await made.put([record]);
    await new KafkaAcls({ client }).add([acl]);
  },
  "remove-rule": async (client, made, { acl, record }) => {
    await new KafkaAcls({ client }).remove([acl]);
    await made.remove([record]);
  },
};

function ofTopic({ clusterId }: PlannedOrigin, targetTopic: string, targetTopicId: Uuid) {
  return { sourceClusterId: clusterId, targetTopic, targetTopicId };
}

function check([outcome]: readonly TopicOutcome[]): void {
  const errorCode = outcome?.errorCode ?? ErrorCode.UNKNOWN;
  if (errorCode === ErrorCode.NONE) return;
  throw brokerError("the change", errorCode, { subject: outcome?.name ?? "", message: outcome?.errorMessage ?? null });
}
