/** The rules that a plan would add to targets, and take away again. */

import { type Acl, aclChanges, aclsOfFlows } from "./acls.ts";
import { isMadeAcl, type MadeAcl, type MadeRecord, recordedAcls } from "./made.ts";
import { type Flow, flowsOf, type Topology } from "./model.ts";

/** What is known of a region's rules. */
export interface LiveAcls {
  readonly clusterId: string;
  readonly topics: readonly string[];
  readonly groups: readonly string[];
  /** Undefined without an authorizer; a text says why they cannot be read. */
  readonly acls: readonly Acl[] | undefined | string;
  /** What mirrors have made in the region. */
  readonly made: readonly MadeRecord[];
}

/** One rule to add to or to remove from a target. */
export type AclChange = RuleChange<"add-rule"> | RuleChange<"remove-rule">;

interface RuleChange<K> {
  readonly kind: K;
  readonly region: string;
  /** The topic or group: a name, or what names begin with. */
  readonly topic: string;
  readonly acl: Acl;
  /** As it is recorded on the target. */
  readonly record: MadeAcl;
}

/** The rules between two regions. */
export interface AclPlan {
  readonly source: string;
  readonly target: string;
  readonly changes: readonly AclChange[];
  /** Why nothing can be planned. */
  readonly problem: string | undefined;
}

/** One for each two regions between which a mirror carries rules, in the order of the file; none where a region was not asked. */
export function planAcls(topology: Topology, live: ReadonlyMap<string, LiveAcls>): readonly AclPlan[] {
  const carrying = flowsOf(topology).filter(({ mirror }) => mirror.acls !== "off");
  return [...Map.groupBy(carrying, ({ source, target }) => `${source}\n${target}`).values()].flatMap((flows) => {
    const [source, target] = [live.get(flows[0]?.source ?? ""), live.get(flows[0]?.target ?? "")];
    return source === undefined || target === undefined ? [] : planPair(topology.name, flows, { source, target });
  });
}

function planPair(
  topology: string,
  flows: readonly Flow[],
  { source, target }: { readonly source: LiveAcls; readonly target: LiveAcls },
): readonly AclPlan[] {
  const [first] = flows;
  if (first === undefined) return [];
  const between = { source: first.source, target: first.target };
  const refused = (problem: string): readonly AclPlan[] => [{ ...between, changes: [], problem }];
  if (typeof source.acls === "string") return refused(`${first.source}: ${source.acls}`);
  if (typeof target.acls === "string") return refused(`${first.target}: ${target.acls}`);
  if (source.acls === undefined) return [{ ...between, changes: [], problem: undefined }];
  if (target.acls === undefined) return refused(`${first.target} has no authorizer`);
  const { clusterId: sourceClusterId, topics, groups } = source;
  const [onSource, onTarget] = [source.made.filter(isMadeAcl), target.made.filter(isMadeAcl)];
  const known = { topics, groups, source: source.acls, ours: onSource, targetClusterId: target.clusterId };
  const recorded = recordedAcls(onTarget, { topology, sourceClusterId });
  const { add, remove } = aclChanges({ wanted: aclsOfFlows(flows, known), target: target.acls, ...recorded });
  const change = <K>(kind: K, acl: Acl): RuleChange<K> => {
    const record: MadeAcl = { kind: "acl", topology, sourceClusterId, acl };
    return { kind, region: first.target, topic: acl.name, acl, record };
  };
  const changes = [
    ...add.map((acl) => change("add-rule" as const, acl)),
    ...remove.map((acl) => change("remove-rule" as const, acl)),
  ];
  return [{ ...between, changes, problem: undefined }];
}
