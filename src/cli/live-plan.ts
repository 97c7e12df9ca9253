/** A plan of the topology in use against its regions as they are now, with everything that plan and apply need of it. */

import { type RegionSurvey, surveyRegion } from "../adapters/kafka-metadata-survey.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { type AdoptableRegion, adoptionRisks, mm2PositionsIn } from "../runtime/adoption-risks.ts";
import { openClient, regionAddress } from "../runtime/connect.ts";
import { recreatedRisks } from "../runtime/recreated-risks.ts";
import { type RuleChange, type RuledRegion, ruleChangesOf } from "../runtime/rule-changes.ts";
import { storedProgress } from "../runtime/stored-progress.ts";
import { flowsOf } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { planTopology, type TopologyPlan } from "../topology/plan.ts";
import { type AclPlan, type LiveAcls, planAcls } from "../topology/plan-acls.ts";
import { changesOf, fingerprintOf, type PlannedChange, pairsOf } from "../topology/plan-changes.ts";
import { type PlannedDeletion, planDeletions } from "../topology/plan-deletions.ts";
import { type GroupPlan, planGroups } from "../topology/plan-groups.ts";
import { type PlanRisk, risksOf } from "../topology/plan-risks.ts";
import type { CliContext } from "./context.ts";
import type { TopologyInUse } from "./topology-in-use.ts";

/** See the file's comment. */
export interface LivePlan {
  readonly plan: TopologyPlan;
  readonly changes: readonly PlannedChange[];
  readonly groups: readonly GroupPlan[];
  /** Access rules, between two regions at a time; their changes are in `changes`, too. */
  readonly acls: readonly AclPlan[];
  /** What the worker deletes, or keeps, because the source did. */
  readonly deletions: readonly PlannedDeletion[];
  readonly risks: readonly PlanRisk[];
  /** Lanes that will choose records by other rules than so far, from where they are on. */
  readonly rules: readonly RuleChange[];
  readonly fingerprint: string;
  /** Regions that could not be asked. */
  readonly unknown: readonly string[];
  readonly reached: number;
}

/** Asks all regions; one that cannot be asked is said and planned without. */
export async function livePlan(context: CliContext, inUse: TopologyInUse): Promise<LivePlan> {
  const { topology } = inUse;
  const surveys = new Map(
    await Promise.all(topology.regions.map(async ({ name }) => [name, await ask(context, inUse, name)] as const)),
  );
  const live = new Map([...surveys].map(([name, survey]) => [name, survey?.topics]));
  const known = [...surveys].flatMap(([name, survey]) => (survey === undefined ? [] : [[name, survey] as const]));
  const plan = planTopology(topology, live);
  const pairs = pairsOf(topology, plan, live);
  const acls = planAcls(topology, new Map(known.map(([name, survey]) => [name, liveAcls(survey)])));
  const facts = new Map(known.map(([name, survey]) => [name, survey.facts]));
  const changes = [...changesOf(pairs, facts), ...acls.flatMap((between) => between.changes)];
  const deletions = planDeletions(topology, live, facts);
  const limits = new Map(known.map(([name, survey]) => [name, survey.limits]));
  const ruled = known.map(([name, { facts, states, takesFence }]) => {
    return [name, { clusterId: facts.clusterId, states, takesFence }] as const;
  });
  return {
    plan,
    changes,
    groups: planGroups(topology, new Map(known.map(([name, survey]) => [name, survey.groups]))),
    acls,
    deletions,
    risks: [
      ...adoptionRisks(topology, pairs, new Map(known)),
      ...recreatedRisks(pairs, new Map(known)),
      ...risksOf(pairs, limits, nodeClock().nowMs()),
    ],
    rules: ruleChangesOf(topology, new Map(ruled)),
    fingerprint: fingerprintOf(pairs, changes, deletions),
    unknown: topology.regions.map(({ name }) => name).filter((name) => surveys.get(name) === undefined),
    reached: known.length,
  };
}

function liveAcls({ topics, groups, facts, acls }: RegionSurvey): LiveAcls {
  return { clusterId: facts.clusterId, topics: topics.map(({ name }) => name), groups, acls, made: facts.made };
}

type Found = RegionSurvey & Pick<RuledRegion, "states"> & AdoptableRegion;

async function ask(context: CliContext, inUse: TopologyInUse, region: string): Promise<Found | undefined> {
  const { topology, state } = inUse;
  const from = flowsOf(topology).filter(({ source }) => source === region);
  try {
    await using client = await openClient(regionAddress(topology, state, region), { clientId: "tributary-plan" });
    const survey = await surveyRegion(
      { client, clock: nodeClock() },
      {
        isAged: (topic) => from.some(({ mirror }) => selects(mirror.topics, topic)),
        asksGroups: from.some(({ mirror }) => mirror.groups !== undefined),
        asksAcls: flowsOf(topology).some(
          (flow) => (flow.source === region || flow.target === region) && flow.mirror.acls !== "off",
        ),
      },
    );
    await using store = await storedProgress(client);
    const mm2Positions = await mm2PositionsIn(client, topology, region);
    return { ...survey, mm2Positions, states: store === undefined ? [] : await store.list() };
  } catch (error) {
    context.talk(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}
