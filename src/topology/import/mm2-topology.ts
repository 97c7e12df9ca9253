/** A MirrorMaker 2 configuration as the text of a topology file, with comments on what has no equivalent. Values of settings that
 *  are not taken over are never shown: they may be secrets. */

import { compilePattern } from "../patterns.ts";
import { hasReference } from "../references.ts";
import { DEFAULT_SYNCED_SETTINGS } from "../topic-settings.ts";
import {
  type ConnectPlaces,
  type Mm2Cluster,
  type Mm2Configuration,
  type Mm2Flow,
  type Settings,
  settingOf,
} from "./mm2-configuration.ts";
import { patternsOf } from "./mm2-patterns.ts";
import { importedSecurity } from "./mm2-security.ts";
import { type Untranslated, untranslated } from "./mm2-settings.ts";

/** A setting that was not taken over. */
export interface ImportNote extends Untranslated {
  /** A cluster's alias, a flow as `a->b`, or empty for the whole file. */
  readonly where: string;
  readonly key: string;
}

/** What an import gives. */
export interface ImportedTopology {
  readonly name: string;
  readonly text: string;
  readonly regions: number;
  readonly mirrors: number;
  readonly notes: readonly ImportNote[];
}

/** Where the configuration came from, for messages and comments. */
export interface ImportOrigin {
  readonly file: string;
}

const IDENTITY_POLICIES = /(^|\.)IdentityReplicationPolicy$/;
const DEFAULT_POLICIES = /(^|\.)DefaultReplicationPolicy$/;
/** MirrorMaker's default of `groups.exclude`. */
const GROUPS_EXCLUDE = "console-consumer-.*, connect-.*, __.*";

/** Writes the topology. @throws {ImportError} for patterns that cannot be taken over */
export function topologyOf(configuration: Mm2Configuration, origin: ImportOrigin): ImportedTopology {
  const { name, clusters, flows, shared } = configuration;
  const enabled = flows.filter((flow) => flow.enabled);
  const notes = [
    ...notesOn("", shared),
    ...clusters.flatMap(({ alias, settings }) => notesOn(alias, settings)),
    ...enabled.flatMap((flow) => notesOn(nameOf(flow), flow.own)),
  ];
  const lines = [
    `# Imported from ${commentable(origin.file)}`,
    ...(enabled.length === 0 ? [] : NEXT_LINES),
    ...noteLines(notes),
    "",
    "version: 1",
    `name: ${name}`,
    "regions:",
    ...clusters.map((cluster) => regionLine(cluster, shared)),
    ...(enabled.length === 0 ? ["mirrors: []"] : ["mirrors:"]),
    ...enabled.flatMap((flow) => mirrorLines(configuration, flow, origin)),
    ...flows.filter((flow) => !flow.enabled).map((flow) => `# ${nameOf(flow)} was not enabled`),
  ];
  return { name, text: `${lines.join("\n")}\n`, regions: clusters.length, mirrors: enabled.length, notes };
}

/** How to go on where MirrorMaker stopped. */
const NEXT_LINES: readonly string[] = [
  "#",
  "# To take over: look at tributary topology plan, stop MirrorMaker, let tributary mirror adopt find where each partition",
  "# goes on, then start tributary mirror run. (-t names this file)",
];

function notesOn(where: string, settings: Settings): readonly ImportNote[] {
  return [...settings.keys()].flatMap((key) => {
    const fate = untranslated(key);
    return fate === undefined ? [] : [{ where, key, ...fate }];
  });
}

const HEADINGS: readonly (readonly [Untranslated["kind"], string])[] = [
  ["by-reference", "Kept out of this file, to be given elsewhere:"],
  ["no-equivalent", "Without an equivalent:"],
  ["unknown", "Not understood:"],
  ["needless", "Not needed:"],
];

function noteLines(notes: readonly ImportNote[]): readonly string[] {
  return HEADINGS.flatMap(([kind, heading]) => {
    const byReason = Map.groupBy(
      notes.filter((note) => note.kind === kind),
      ({ reason }) => reason,
    );
    if (byReason.size === 0) return [];
    const lines = [...byReason].map(([reason, same]) => {
      const keys = same.map(({ where, key }) => (where === "" ? key : `${where}.${key}`));
      return `#   ${commentable([...new Set(keys)].join(", "))}: ${reason}`;
    });
    return ["#", `# ${heading}`, ...lines];
  });
}

/** Settings for all flows hold for all clusters, too, unless the cluster has its own. */
function regionLine({ alias, bootstrap, settings }: Mm2Cluster, shared: Settings): string {
  const isForeign = (address: string): boolean => hasReference(address) && !/^\$\{(env|file):[^}:]+\}$/.test(address);
  const variable = `\${env:${alias.toUpperCase().replaceAll("-", "_")}_BROKERS}`;
  const isKnown = !bootstrap.some(isForeign);
  const security = importedSecurity(alias, new Map([...shared, ...settings]));
  const entries = [`brokers: ${listText(isKnown ? bootstrap : [variable])}`, ...security.entries];
  const comment = isKnown ? "" : " # came from a configuration provider: set this variable";
  return `  ${alias}: {${entries.join(", ")}}${comment}${security.comment}`;
}

function mirrorLines(configuration: Mm2Configuration, flow: Mm2Flow, { file }: ImportOrigin): readonly string[] {
  const value = (key: string): string | undefined => settingOf(configuration, flow, key);
  const { template, comment } = renameOf(value);
  const isLatest = startOf(configuration, flow) === "latest";
  return [
    `  - name: ${flow.source}-to-${flow.target}`,
    `    from: ${flow.source}`,
    `    to: ${flow.target}`,
    ...topicLines(flow, { value, template, place: file }),
    `    rename: ${JSON.stringify(template)}${comment}`,
    ...groupLines(value, file),
    ...(isLatest ? ["    start: latest"] : []),
    ...createLines(value, file),
    ...(value("sync.topic.acls.enabled")?.trim() === "false" ? [] : ["    acls: read"]),
    ...compatLines(value, configuration.connect),
  ];
}

type Lookup = (key: string) => string | undefined;

function renameOf(value: Lookup): { readonly template: string; readonly comment: string } {
  const policy = value("replication.policy.class") ?? "DefaultReplicationPolicy";
  if (IDENTITY_POLICIES.test(policy)) return { template: "{topic}", comment: "" };
  const separator = value("replication.policy.separator") ?? ".";
  const comment = DEFAULT_POLICIES.test(policy) ? "" : ` # instead of ${commentable(policy)}: see that it names alike`;
  return { template: `{source}${separator}{topic}`, comment };
}

/** MirrorMaker leaves out what the target's alias stands before, since it came from there; so does a topology by patterns. */
function topicLines(
  { target }: Mm2Flow,
  { value, template, place }: { readonly value: Lookup; readonly template: string; readonly place: string },
): readonly string[] {
  const include = patternsOf(place, "topics", value("topics") ?? ".*");
  const excluded = value("topics.exclude") ?? value("topics.blacklist") ?? ".*\\.replica";
  const exclude = patternsOf(place, "topics.exclude", excluded).filter((pattern) => !isBuiltIn(pattern));
  const separator = template.slice("{source}".length, -"{topic}".length);
  const isNamed = include.every((pattern) => /^[A-Za-z0-9._-]+$/.test(pattern));
  const came =
    template === "{topic}" || isNamed ? [] : [`${target}${separator}*`, `*${separator}${target}${separator}*`];
  const comment = came.length === 0 ? "" : ` # the last two: what came from ${target}`;
  if (exclude.length + came.length === 0) return [`    topics: ${listText(include)}`];
  return [
    "    topics:",
    `      include: ${listText(include)}`,
    `      exclude: ${listText([...exclude, ...came])}${comment}`,
  ];
}

/** Wildcards never take these. */
function isBuiltIn(pattern: string): boolean {
  return ["/.*[\\-\\.]internal/", "__*", "*.internal", "*-internal"].includes(pattern);
}

function groupLines(value: Lookup, place: string): readonly string[] {
  const syncs = value("sync.group.offsets.enabled")?.trim() === "true";
  if (!syncs && value("emit.checkpoints.enabled")?.trim() === "false") return [];
  const include = patternsOf(place, "groups", value("groups") ?? ".*");
  const exclude = patternsOf(
    place,
    "groups.exclude",
    value("groups.exclude") ?? value("groups.blacklist") ?? GROUPS_EXCLUDE,
  );
  const comment = syncs ? "" : " # also into empty groups of the target, which MirrorMaker was not asked to do";
  const excluded = exclude.length === 0 ? "" : `, exclude: ${listText(exclude)}`;
  return [`    groups: {include: ${listText(include)}${excluded}}${comment}`];
}

/** Where a partition without a position begins; settings of the source's consumer stand in several places. */
function startOf(configuration: Mm2Configuration, flow: Mm2Flow): string {
  const ofSource = configuration.clusters.find(({ alias }) => alias === flow.source)?.settings;
  const key = "consumer.auto.offset.reset";
  const found =
    flow.own.get(`source.${key}`) ?? settingOf(configuration, flow, key) ?? ofSource?.get(key) ?? "earliest";
  return found.trim();
}

function createLines(value: Lookup, place: string): readonly string[] {
  const replicas = Number(value("replication.factor") ?? -1);
  const entries: string[] = [];
  if (Number.isSafeInteger(replicas) && replicas > 0) entries.push(`replicationFactor: ${replicas}`);
  const sync = syncedSettings(value, place);
  if (sync !== undefined) entries.push(`sync: ${listText(sync)}`);
  return entries.length === 0 ? [] : [`    create: {${entries.join(", ")}}`];
}

/** Undefined where the defaults do. */
function syncedSettings(value: Lookup, place: string): readonly string[] | undefined {
  if (value("sync.topic.configs.enabled")?.trim() === "false") return [];
  const excluded = value("config.properties.exclude") ?? value("config.properties.blacklist");
  if (excluded === undefined) return undefined;
  const patterns = patternsOf(place, "config.properties.exclude", excluded).map(compilePattern);
  const isExcluded = (name: string): boolean => patterns.some((one) => !("problem" in one) && one.matches(name));
  const sync = DEFAULT_SYNCED_SETTINGS.filter((name) => !isExcluded(name));
  return sync.length === DEFAULT_SYNCED_SETTINGS.length ? undefined : sync;
}

function compatLines(value: Lookup, connect: ConnectPlaces | undefined): readonly string[] {
  const policy = value("replication.policy.class") ?? "DefaultReplicationPolicy";
  if (!IDENTITY_POLICIES.test(policy) && !DEFAULT_POLICIES.test(policy)) return [];
  const isOnTarget = value("offset-syncs.topic.location")?.trim() === "target";
  const entries = [
    ...(isOnTarget ? ["readOnlySource: true"] : []),
    ...(connect === undefined ? [] : [`offsetsTopic: ${JSON.stringify(connect.offsetsTopic)}`]),
    ...(connect === undefined ? [] : [`connectGroup: ${JSON.stringify(connect.group)}`]),
  ];
  const comment = connect?.isGuess === true ? " # see that Connect's offset.storage.topic and group.id are these" : "";
  return [entries.length === 0 ? "    compat: mm2" : `    compat: {mm2: {${entries.join(", ")}}}${comment}`];
}

function nameOf({ source, target }: Mm2Flow): string {
  return `${source}->${target}`;
}

function listText(items: readonly string[]): string {
  return `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
}

/** On one line, whatever the file holds. */
function commentable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 300);
}
