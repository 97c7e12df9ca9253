/** Rules about topics of clusters with an authorizer, and what those of a source ask of a target: as data. */

import { targetName } from "./checks.ts";
import type { Flow } from "./model.ts";
import { type Selection, selects } from "./patterns.ts";

const OPERATIONS = [
  "all",
  "read",
  "write",
  "create",
  "delete",
  "alter",
  "describe",
  "describe-configs",
  "alter-configs",
] as const;

/** What a rule is about; those that topics can have. */
export type AclOperation = (typeof OPERATIONS)[number];

/** One rule about topics. */
export interface TopicAcl {
  /** A topic's name (`*` for all), or what names begin with. */
  readonly topic: string;
  readonly pattern: "literal" | "prefixed";
  /** Such as `User:billing`. */
  readonly principal: string;
  /** `*` for any. */
  readonly host: string;
  readonly operation: AclOperation;
  readonly permission: "allow" | "deny";
}

/** Which rules a mirror carries over: none; who may read and describe; or all as they are, writing included. */
export type AclSync = "off" | "read" | "all";

/** Everything that names a topic, as a literal rule. */
const ANY_TOPIC = "*";

/** True for a value of unknown origin that is a rule. */
export function isTopicAcl(value: unknown): value is TopicAcl {
  if (typeof value !== "object" || value === null) return false;
  const { topic, pattern, principal, host, operation, permission } = value as Readonly<Record<string, unknown>>;
  const texts = [topic, principal, host].every((one) => typeof one === "string");
  const isPattern = pattern === "literal" || pattern === "prefixed";
  return texts && isPattern && isAclOperation(operation) && (permission === "allow" || permission === "deny");
}

/** True for one of the operations above. */
export function isAclOperation(value: unknown): value is AclOperation {
  return (OPERATIONS as readonly unknown[]).includes(value);
}

/** Equal for equal rules. */
export function aclKey({ pattern, topic, permission, operation, principal, host }: TopicAcl): string {
  return JSON.stringify([pattern, topic, permission, operation, principal, host]);
}

/** `User:billing may read orders (from 10.0.0.1)`; prefixed names end in `…`. */
export function aclText({ pattern, topic, permission, operation, principal, host }: TopicAcl): string {
  const name = pattern === "prefixed" ? `${topic}…` : topic;
  const may = permission === "allow" ? "may" : "may not";
  return `${principal} ${may} ${operation} ${name}${host === "*" ? "" : ` from ${host}`}`;
}

/** What one flow carries, as far as its rules depend on it. */
export interface AclFlow {
  readonly sync: Exclude<AclSync, "off">;
  readonly topics: Selection;
  readonly targetOf: (topic: string) => string;
  /** What the names of this flow's copies begin with, when nothing else about them changes; else undefined. */
  readonly prefix: string | undefined;
  /** Topics that are carried now, as the source calls them. */
  readonly carried: readonly string[];
}

/** The rules that the target should have for all flows from one source, each once.
 *
 *  Rules that mirrors made on the source are left out where they would come back: what the other direction made, and where a mirror
 *  carries only what was written in the source itself, what any mirror made. */
export function aclsOfFlows(
  flows: readonly Flow[],
  known: {
    readonly topics: readonly string[];
    readonly source: readonly TopicAcl[];
    /** Those of the source's rules that mirrors made. */
    readonly ours: readonly { readonly sourceClusterId: string; readonly acl: TopicAcl }[];
    readonly targetClusterId: string;
  },
): readonly TopicAcl[] {
  const { topics, source, ours, targetClusterId } = known;
  const wanted = flows.flatMap((flow) => {
    const { acls: sync, provenance } = flow.mirror;
    if (sync === "off") return [];
    const returning = ours.filter((one) => provenance === "local" || one.sourceClusterId === targetClusterId);
    const left = new Set(returning.map(({ acl }) => aclKey(acl)));
    const own = source.filter((acl) => !left.has(aclKey(acl)));
    return wantedAcls(own, aclFlow(flow, sync, topics));
  });
  return unique(wanted);
}

function aclFlow(flow: Flow, sync: AclFlow["sync"], sourceTopics: readonly string[]): AclFlow {
  const { topics } = flow.mirror;
  const [before, after] = targetName(flow, "\0").split("\0");
  return {
    sync,
    topics,
    targetOf: (topic) => targetName(flow, topic),
    prefix: after === "" && before !== "" ? before : undefined,
    carried: sourceTopics.filter((topic) => selects(topics, topic)),
  };
}

function unique(acls: readonly TopicAcl[]): readonly TopicAcl[] {
  return [...new Map(acls.map((acl) => [aclKey(acl), acl])).values()];
}

/** The rules that the target should have for these of the source, each once.
 *
 *  Never more is granted than the source grants on what is mirrored: a rule about many topics stays one where the names on the
 *  target begin with something of their own (`eu.` + its prefix), and otherwise becomes one for each topic carried now. */
export function wantedAcls(source: readonly TopicAcl[], flow: AclFlow): readonly TopicAcl[] {
  return unique(source.flatMap((acl) => operationsOf(acl, flow.sync).flatMap((one) => renamed(one, flow))));
}

/** The part of a rule that is carried. Who may do everything at the source may read here; a ban of everything bans reading. */
function operationsOf(acl: TopicAcl, sync: AclFlow["sync"]): readonly TopicAcl[] {
  if (sync === "all") return [acl];
  const { operation, permission } = acl;
  if (operation === "read" || operation === "describe") return [acl];
  if (operation !== "all") return [];
  const read: TopicAcl = { ...acl, operation: "read" };
  return permission === "allow" ? [read] : [read, { ...acl, operation: "describe" }];
}

function renamed(acl: TopicAcl, { topics, targetOf, prefix: own, carried }: AclFlow): readonly TopicAcl[] {
  const literal = (topic: string): TopicAcl => ({ ...acl, pattern: "literal", topic: targetOf(topic) });
  const isMany = acl.pattern === "prefixed" || acl.topic === ANY_TOPIC;
  if (!isMany) return selects(topics, acl.topic) ? [literal(acl.topic)] : [];
  const prefix = acl.pattern === "prefixed" ? acl.topic : "";
  const covered = carried.filter((topic) => topic.startsWith(prefix));
  if (own === undefined) return covered.map(literal);
  return covered.length === 0 ? [] : [{ ...acl, pattern: "prefixed", topic: own + prefix }];
}

/** Rules to add and to remove on a target. */
export interface AclChanges {
  readonly add: readonly TopicAcl[];
  readonly remove: readonly TopicAcl[];
  /** Recorded as ours and neither wanted nor there: only the record goes. */
  readonly forget: readonly TopicAcl[];
}

/** What the target lacks, and what of `ours` nobody wants any more, in the order of their texts; rules that others made are never
 *  touched. */
export function aclChanges(sides: {
  readonly wanted: readonly TopicAcl[];
  readonly target: readonly TopicAcl[];
  readonly ours: readonly TopicAcl[];
}): AclChanges {
  const wanted = new Set(sides.wanted.map(aclKey));
  const there = new Set(sides.target.map(aclKey));
  const stale = sides.ours.filter((acl) => !wanted.has(aclKey(acl)));
  return {
    add: inOrder(sides.wanted.filter((acl) => !there.has(aclKey(acl)))),
    remove: inOrder(stale.filter((acl) => there.has(aclKey(acl)))),
    forget: stale.filter((acl) => !there.has(aclKey(acl))),
  };
}

function inOrder(acls: readonly TopicAcl[]): readonly TopicAcl[] {
  return acls.toSorted((a, b) => (aclText(a) < aclText(b) ? -1 : 1));
}
