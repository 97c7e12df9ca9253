/** Rules about topics and groups of clusters with an authorizer, and what those of a source ask of a target: as data. */

import { targetName } from "./checks.ts";
import type { Flow } from "./model.ts";
import { selects } from "./patterns.ts";

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

/** What a rule is about; those that topics and groups can have. */
export type AclOperation = (typeof OPERATIONS)[number];

/** One rule about topics or groups. */
export interface Acl {
  readonly resource: "topic" | "group";
  /** The topic's or group's name (`*` for all), or what names begin with. */
  readonly name: string;
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

/** Everything that names a resource, as a literal rule. */
const ANY_NAME = "*";

/** True for a value of unknown origin that is a rule. */
export function isAcl(value: unknown): value is Acl {
  if (typeof value !== "object" || value === null) return false;
  const { resource, name, pattern, principal, host, operation, permission } = value as Readonly<
    Record<string, unknown>
  >;
  const texts = [name, principal, host].every((one) => typeof one === "string");
  const isResource = resource === "topic" || resource === "group";
  const isPattern = pattern === "literal" || pattern === "prefixed";
  const isPermission = permission === "allow" || permission === "deny";
  return texts && isResource && isPattern && isPermission && (OPERATIONS as readonly unknown[]).includes(operation);
}

/** A rule's parts in a fixed order: equal for equal rules. */
export function aclParts({ resource, pattern, name, permission, operation, principal, host }: Acl): readonly string[] {
  return [resource, pattern, name, permission, operation, principal, host];
}

/** Equal for equal rules. */
export function aclKey(acl: Acl): string {
  return JSON.stringify(aclParts(acl));
}

/** `User:billing may read orders (from 10.0.0.1)`; prefixed names end in `…`. */
export function aclText({ resource, pattern, name, permission, operation, principal, host }: Acl): string {
  const named = `${resource === "group" ? "group " : ""}${name}${pattern === "prefixed" ? "…" : ""}`;
  const may = permission === "allow" ? "may" : "may not";
  return `${principal} ${may} ${operation} ${named}${host === "*" ? "" : ` from ${host}`}`;
}

/** What one flow carries of one kind of resource, as far as its rules depend on it. */
interface Carried {
  readonly sync: Exclude<AclSync, "off">;
  readonly isSelected: (name: string) => boolean;
  readonly targetOf: (name: string) => string;
  /** What the names of this flow's copies begin with, when nothing else about them changes; else undefined. */
  readonly prefix: string | undefined;
  /** What is carried now, as the source calls it. */
  readonly names: readonly string[];
}

/** The rules that the target should have for all flows from one source, each once: about the topics that they carry, and about the
 *  groups whose positions they carry, for a group that moves must be allowed to be there.
 *
 *  Rules that mirrors made on the source are left out where they would come back: what the other direction made, and where a mirror
 *  carries only what was written in the source itself, what any mirror made. */
export function aclsOfFlows(
  flows: readonly Flow[],
  known: {
    readonly topics: readonly string[];
    readonly groups: readonly string[];
    readonly source: readonly Acl[];
    /** Those of the source's rules that mirrors made. */
    readonly ours: readonly { readonly sourceClusterId: string; readonly acl: Acl }[];
    readonly targetClusterId: string;
  },
): readonly Acl[] {
  const { source, ours, targetClusterId } = known;
  const wanted = flows.flatMap((flow) => {
    const { acls: sync, provenance } = flow.mirror;
    if (sync === "off") return [];
    const returning = ours.filter((one) => provenance === "local" || one.sourceClusterId === targetClusterId);
    const left = new Set(returning.map(({ acl }) => aclKey(acl)));
    const own = source.filter((acl) => !left.has(aclKey(acl)));
    const carried = { topic: carriedTopics(flow, sync, known.topics), group: carriedGroups(flow, sync, known.groups) };
    return own.flatMap((acl) => operationsOf(acl, sync).flatMap((one) => renamed(one, carried[one.resource])));
  });
  return [...new Map(wanted.map((acl) => [aclKey(acl), acl])).values()];
}

function carriedTopics(flow: Flow, sync: Carried["sync"], topics: readonly string[]): Carried {
  const isSelected = (topic: string): boolean => selects(flow.mirror.topics, topic);
  const [before, after] = targetName(flow, "\0").split("\0");
  return {
    sync,
    isSelected,
    targetOf: (topic) => targetName(flow, topic),
    prefix: after === "" && before !== "" ? before : undefined,
    names: topics.filter(isSelected),
  };
}

function carriedGroups(flow: Flow, sync: Carried["sync"], groups: readonly string[]): Carried {
  const { groups: declared } = flow.mirror;
  const isSelected = (group: string): boolean => declared !== undefined && selects(declared.select, group);
  return { sync, isSelected, targetOf: (group) => group, prefix: undefined, names: groups.filter(isSelected) };
}

/** The part of a rule that is carried. Who may do everything at the source may read here; a ban of everything bans reading. */
function operationsOf(acl: Acl, sync: Carried["sync"]): readonly Acl[] {
  if (sync === "all") return [acl];
  const { operation, permission } = acl;
  if (operation === "read" || operation === "describe") return [acl];
  if (operation !== "all") return [];
  const read: Acl = { ...acl, operation: "read" };
  return permission === "allow" ? [read] : [read, { ...acl, operation: "describe" }];
}

/** Never more is granted than the source grants on what is mirrored: a rule about many names stays one where the names on the
 *  target begin with something of their own (`eu.` + its prefix), and otherwise becomes one for each that is carried now. */
function renamed(acl: Acl, { isSelected, targetOf, prefix: own, names }: Carried): readonly Acl[] {
  const literal = (name: string): Acl => ({ ...acl, pattern: "literal", name: targetOf(name) });
  const isMany = acl.pattern === "prefixed" || acl.name === ANY_NAME;
  if (!isMany) return isSelected(acl.name) ? [literal(acl.name)] : [];
  const prefix = acl.pattern === "prefixed" ? acl.name : "";
  const covered = names.filter((name) => name.startsWith(prefix));
  if (own === undefined) return covered.map(literal);
  return covered.length === 0 ? [] : [{ ...acl, pattern: "prefixed", name: own + prefix }];
}

/** Rules to add and to remove on a target. */
export interface AclChanges {
  readonly add: readonly Acl[];
  /** There already, made for another source or topology: to be recorded as ours, too, so that it outlives the other's wish. */
  readonly claim: readonly Acl[];
  readonly remove: readonly Acl[];
  /** Recorded as ours, not wanted any more, and gone or claimed by others: only the record goes. */
  readonly forget: readonly Acl[];
}

/** What the target lacks, and what of `ours` nobody wants any more, in the order of their texts; rules that people made are never
 *  touched. */
export function aclChanges(sides: {
  readonly wanted: readonly Acl[];
  readonly target: readonly Acl[];
  /** Recorded for this source and topology. */
  readonly ours: readonly Acl[];
  /** Recorded for others. */
  readonly others: readonly Acl[];
}): AclChanges {
  const [wanted, there, ours, others] = [sides.wanted, sides.target, sides.ours, sides.others].map(
    (acls) => new Set(acls.map(aclKey)),
  );
  const inOne = (set: ReadonlySet<string> | undefined) => (acl: Acl) => set?.has(aclKey(acl)) === true;
  const [isWanted, isThere, isOurs, isOthers] = [inOne(wanted), inOne(there), inOne(ours), inOne(others)];
  const stale = sides.ours.filter((acl) => !isWanted(acl));
  return {
    add: inOrder(sides.wanted.filter((acl) => !isThere(acl))),
    claim: sides.wanted.filter((acl) => isThere(acl) && isOthers(acl) && !isOurs(acl)),
    remove: inOrder(stale.filter((acl) => isThere(acl) && !isOthers(acl))),
    forget: stale.filter((acl) => !isThere(acl) || isOthers(acl)),
  };
}

function inOrder(acls: readonly Acl[]): readonly Acl[] {
  return acls.toSorted((a, b) => (aclText(a) < aclText(b) ? -1 : 1));
}
