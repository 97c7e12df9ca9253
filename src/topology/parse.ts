/** YAML text -> Topology. Everything that is wrong is reported at once: each entry is checked on its own, and references
 *  between entries are checked even when an entry has other mistakes. */

import type { z } from "zod";
import type { RegionId } from "../core/brand.ts";
import { checkTopology } from "./checks.ts";
import { type Path, YamlFile } from "./document.ts";
import { type TopologyIssue, topologyInvalid } from "./errors.ts";
import { check, type Origin, placeOf } from "./explain.ts";
import { flowsOf, type Mirror, type Region, type Tiering, type Topology } from "./model.ts";
import { keepsNames } from "./naming.ts";
import { nearestName } from "./nearest.ts";
import type { RecordFilter } from "./record-filter.ts";
import { policyOf } from "./replication-policy.ts";
import { mirrorSchema, regionSchema, tieringSchema, topSchema } from "./schema.ts";
import type { RegionSecurity } from "./security-schema.ts";
import { DEFAULT_SYNCED_SETTINGS } from "./topic-settings.ts";

/** The text of a file and the name it has in messages. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** What to parse. */
export interface TopologySource extends SourceText {
  /** The text of `regions/<name>.yaml`, undefined when there is no such file. */
  readonly readRegion?: (name: string) => SourceText | undefined;
}

type Raw = Readonly<Record<string, unknown>>;

/** Reads a topology. @throws {TopologyError} `TOPOLOGY_INVALID` with every issue of the file and of its region files */
export function parseTopology(source: TopologySource): Topology {
  const yaml = new YamlFile(source.file, source.text);
  if (yaml.issues.length > 0) throw topologyInvalid(source.file, yaml.issues);
  const root: Origin = { yaml, path: [] };
  const top = check(topSchema, yaml.value, root, "topology");
  const raw = isRaw(yaml.value) ? yaml.value : {};
  const defaults = isRaw(raw["defaults"]) ? raw["defaults"] : {};

  const regionParts = readRegions(yaml, raw["regions"], {
    defaults: defaults["region"],
    readRegion: source.readRegion,
  });
  const mirrorParts = listOf(raw["mirrors"]).map((entry, index) =>
    readMirror(yaml, merged(defaults["mirror"], entry), index),
  );
  const tieringParts = listOf(raw["tiering"]).map((entry, index) => readTiering(yaml, entry, index));
  const names = regionParts.map((part) => part.name);
  const issues = [
    ...top.issues,
    ...literalSecrets(yaml, yaml.value, []),
    ...[...regionParts, ...mirrorParts, ...tieringParts].flatMap((part) => part.issues),
    ...unknownRegions(yaml, raw, names),
  ];
  const topology: Topology = {
    name: top.value?.name ?? "",
    file: source.file,
    regions: regionParts.flatMap((part) => (part.value === undefined ? [] : [part.value])),
    mirrors: withProvenance(mirrorParts.flatMap((part) => (part.value === undefined ? [] : [part.value]))),
    tiering: tieringParts.flatMap((part) => (part.value === undefined ? [] : [part.value])),
  };
  issues.push(...checkTopology(topology), ...mutualSettings(topology.mirrors), ...mutualDeletions(topology.mirrors));
  if (issues.length > 0) throw topologyInvalid(source.file, issues);
  return topology;
}

interface Part<T> {
  readonly value: T | undefined;
  readonly issues: readonly TopologyIssue[];
}

interface RegionSources {
  readonly defaults: unknown;
  readonly readRegion: TopologySource["readRegion"];
}

function readRegions(
  yaml: YamlFile,
  raw: unknown,
  sources: RegionSources,
): readonly (Part<Region> & { name: string })[] {
  if (Array.isArray(raw)) {
    return raw.flatMap((name, index) =>
      typeof name === "string" ? [{ name, ...readRegionFile(yaml, name, ["regions", index], sources) }] : [],
    );
  }
  if (!isRaw(raw)) return [];
  return Object.entries(raw).map(([name, entry]) => {
    const path = ["regions", name];
    if (entry === null) return { name, ...readRegionFile(yaml, name, path, sources) };
    return { name, ...readRegion({ yaml, path }, name, entry, { yaml, value: sources.defaults }) };
  });
}

function readRegionFile(yaml: YamlFile, name: string, path: Path, sources: RegionSources): Part<Region> {
  const found = sources.readRegion?.(name);
  if (found === undefined) {
    const fact = `region "${name}" is not described; write it here or in regions/${name}.yaml`;
    return { value: undefined, issues: [{ code: "missing-file", place: yaml.placeOfKey(path), fact }] };
  }
  const regionYaml = new YamlFile(found.file, found.text);
  if (regionYaml.issues.length > 0) return { value: undefined, issues: regionYaml.issues };
  const part = readRegion({ yaml: regionYaml, path: [] }, name, regionYaml.value, { yaml, value: sources.defaults });
  return { ...part, issues: [...part.issues, ...literalSecrets(regionYaml, regionYaml.value, [])] };
}

function readRegion(
  own: Origin,
  name: string,
  entry: unknown,
  defaults: { readonly yaml: YamlFile; readonly value: unknown },
): Part<Region> {
  const origin: Origin = { ...own, defaults: { yaml: defaults.yaml, path: ["defaults", "region"] } };
  const { value, issues } = check(regionSchema, merged(defaults.value, entry), origin, `region "${name}"`);
  const place = placeOf(origin, []);
  if (value === undefined) return { value, issues };
  if (value.brokers === undefined && value.local === undefined) {
    const fact = `region "${name}" has neither brokers nor local; write brokers: [host:port] or local: {brokers: 3}`;
    return { value: undefined, issues: [{ code: "missing-key", place, fact }] };
  }
  const { port, replicationFactor, ...local } = value.local ?? {
    brokers: 0,
    host: "",
    partitions: 1,
    topicDefaults: {},
  };
  const localRegion = {
    ...local,
    ...(port === undefined ? {} : { port }),
    replicationFactor: Math.min(replicationFactor ?? local.brokers, Math.max(local.brokers, 1)),
  };
  return {
    value: {
      name: name as RegionId,
      brokers: value.brokers ?? [],
      place,
      ...(value.rack === undefined ? {} : { rack: value.rack }),
      ...securityOf(value),
      ...(value.local === undefined ? {} : { local: localRegion }),
    },
    issues,
  };
}

function securityOf({ tls, sasl }: RegionSecurity): Pick<Region, "security"> {
  if (tls === undefined && sasl === undefined) return {};
  return { security: { ...(tls === undefined ? {} : { tls }), ...(sasl === undefined ? {} : { sasl }) } };
}

function readMirror(yaml: YamlFile, entry: unknown, index: number): Part<Mirror> {
  const origin: Origin = { yaml, path: ["mirrors", index], defaults: { yaml, path: ["defaults", "mirror"] } };
  const { value, issues } = check(mirrorSchema, entry, origin, labelOf("mirror", entry, index));
  if (value === undefined) return { value, issues };
  const { groups, provenance, create, compat, deleteAfter, warnOpenTransaction, filter, limits, backfill, ...rest } =
    value;
  const policy = policyOf(value.rename);
  const mirror: Mirror = {
    ...rest,
    from: value.from as readonly string[] as readonly RegionId[],
    to: value.to as readonly string[] as readonly RegionId[],
    provenance: provenance ?? "all",
    create: { replicationFactor: create.replicationFactor, sync: create.sync ?? BY_DEFAULT },
    warnOpenTransactionMs: warnOpenTransaction,
    deleteAfterMs: deleteAfter,
    limits: {
      inFlightBytes: limits.inFlight,
      ...(limits.bytesPerSecond === undefined ? {} : { bytesPerSecond: limits.bytesPerSecond }),
    },
    ...(backfill === undefined
      ? {}
      : { backfill: { bytesPerSecond: backfill.bytesPerSecond, olderThanMs: backfill.olderThan } }),
    ...(filter === undefined ? {} : { filter: recordFilter(filter) }),
    place: yaml.placeOf(["mirrors", index]),
    ...(compat === undefined || policy === undefined ? {} : { compat: { policy, ...compat.mm2 } }),
    ...(groups === undefined
      ? {}
      : {
          groups: {
            select: { include: groups.include, exclude: groups.exclude },
            everyMs: groups.every,
            direction: groups.direction,
          },
        }),
  };
  if (compat !== undefined && policy === undefined) {
    const fact = `mirror "${value.name}" cannot be compatible with MirrorMaker 2 under rename "${value.rename}"; write "{source}.{topic}" (its default policy) or "{topic}" (its identity policy)`;
    return { value: undefined, issues: [...issues, { code: "unsupported", place: yaml.placeOf(origin.path), fact }] };
  }
  // Undefined until the other mirrors are known; withProvenance decides.
  return { value: provenance === undefined ? { ...mirror, provenance: UNDECIDED } : mirror, issues };
}

function recordFilter({ sample, ...rest }: NonNullable<z.output<typeof mirrorSchema>["filter"]>): RecordFilter {
  return { ...rest, samplePpm: sample };
}

/** Stands for "not written in the file" until withProvenance has seen all mirrors. */
const UNDECIDED = "undecided" as Mirror["provenance"];

/** Stands for "not written in the file", too. */
const BY_DEFAULT: readonly string[] = [...DEFAULT_SYNCED_SETTINGS];

/** True when a topic's copy has the same name and is carried back as well. */
function comesBack(mirror: Mirror, edges: ReturnType<typeof flowsOf>): boolean {
  const reaches = (from: RegionId, to: RegionId, seen: Set<RegionId>): boolean => {
    if (from === to) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return edges.some((edge) => edge.source === from && reaches(edge.target, to, seen));
  };
  const circular = flowsOf({ mirrors: [mirror] }).some((flow) => reaches(flow.target, flow.source, new Set()));
  return circular && keepsNames(mirror.rename);
}

/** Two topics that each follow the other would exchange their settings for ever. */
function mutualSettings(mirrors: readonly Mirror[]): readonly TopologyIssue[] {
  const edges = flowsOf({ mirrors });
  return mirrors
    .filter((mirror) => mirror.create.sync.length > 0 && comesBack(mirror, edges))
    .map(({ name, place }) => {
      const fact = `mirror "${name}" cannot carry settings over: its topics have the same names and are carried back, so that each side would follow the other; write create: {sync: []}`;
      return { code: "unsupported", place, fact };
    });
}

/** A topic that is deleted on one side would be made again from the other. */
function mutualDeletions(mirrors: readonly Mirror[]): readonly TopologyIssue[] {
  const edges = flowsOf({ mirrors });
  return mirrors
    .filter((mirror) => mirror.onDelete === "delete" && comesBack(mirror, edges))
    .map(({ name, place }) => {
      const fact = `mirror "${name}" cannot follow deletions: its topics have the same names and are carried back, so that a deleted one is made again from its copy; write onDelete: keep`;
      return { code: "unsupported", place, fact };
    });
}

/** The default: `local` where a mirror keeps names and its regions also mirror back, so that meshes never loop; else `all`. */
function withProvenance(mirrors: readonly Mirror[]): readonly Mirror[] {
  const edges = flowsOf({ mirrors });
  return mirrors.map((mirror): Mirror => {
    const isMutual = comesBack(mirror, edges);
    const create = isMutual && mirror.create.sync === BY_DEFAULT ? { ...mirror.create, sync: [] } : mirror.create;
    if (mirror.provenance !== UNDECIDED) return { ...mirror, create };
    return { ...mirror, create, provenance: isMutual ? "local" : "all" };
  });
}

function readTiering(yaml: YamlFile, entry: unknown, index: number): Part<Tiering> {
  const origin: Origin = { yaml, path: ["tiering", index] };
  const { value, issues } = check(tieringSchema, entry, origin, labelOf("tiering", entry, index));
  if (value === undefined) return { value, issues };
  const { cold, every, segment, region, store, readCache, margin, spool, retention, grace, scrub, ...rest } = value;
  return {
    value: {
      ...rest,
      ...store,
      region: region as RegionId,
      olderThanMs: cold.olderThan,
      keepLocalBytes: cold.keepLocal,
      everyMs: every,
      marginRecords: margin,
      spoolBytes: spool,
      retention: { ageMs: retention.age, bytes: retention.bytes },
      graceMs: grace,
      scrubBytesPerDay: scrub,
      place: yaml.placeOf(["tiering", index]),
      ...(segment.bytes === undefined ? {} : { segmentBytes: segment.bytes }),
      ...(segment.age === undefined ? {} : { segmentAgeMs: segment.age }),
      ...(readCache === undefined ? {} : { readCacheBytes: readCache }),
    },
    issues,
  };
}

function labelOf(kind: string, entry: unknown, index: number): string {
  const name = isRaw(entry) ? entry["name"] : undefined;
  return typeof name === "string" ? `${kind} "${name}"` : `${kind} ${index + 1}`;
}

/** Region names that mirrors and tiering use but nobody declares; looks at the raw values, so that other mistakes hide none. */
function unknownRegions(yaml: YamlFile, raw: Raw, names: readonly string[]): readonly TopologyIssue[] {
  const issues: TopologyIssue[] = [];
  const look = (value: unknown, path: Path, role: string): void => {
    if (typeof value !== "string" || names.includes(value)) return;
    const near = nearestName(value, names);
    const base = { code: "unknown-region", place: yaml.placeOf(path) } as const;
    const fact = `${role} "${value}" is no region`;
    issues.push(
      near === undefined
        ? { ...base, fact: `${fact}; known are ${names.join(", ")}` }
        : { ...base, fact, suggestion: near },
    );
  };
  listOf(raw["mirrors"]).forEach((mirror, index) => {
    if (!isRaw(mirror)) return;
    for (const [key, role] of [
      ["from", "mirror source"],
      ["to", "mirror target"],
    ] as const) {
      const path = ["mirrors", index, key];
      const value = mirror[key];
      if (Array.isArray(value)) value.forEach((item, at) => void look(item, [...path, at], role));
      else look(value, path, role);
    }
  });
  listOf(raw["tiering"]).forEach((entry, index) => {
    if (isRaw(entry)) look(entry["region"], ["tiering", index, "region"], "tiering region");
  });
  return issues;
}

const SECRET_KEY = /^(password|secret|token|key|secretKey|secretAccessKey)$/i;

/** Secrets written out in the file: a topology is meant for version control. */
function literalSecrets(yaml: YamlFile, value: unknown, path: Path): readonly TopologyIssue[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => literalSecrets(yaml, item, [...path, index]));
  if (!isRaw(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = [...path, key];
    const literal =
      SECRET_KEY.test(key) &&
      (typeof inner === "string" || typeof inner === "number") &&
      !/^\$\{.+\}$/.test(String(inner));
    if (!literal) return literalSecrets(yaml, inner, at);
    const fact = `${key} is written out; secrets do not belong in this file: write \${env:NAME} or \${file:path}`;
    return [{ code: "literal-secret", place: yaml.placeOf(at), fact } as const];
  });
}

/** `defaults` under `entry`: maps merge, everything else of the entry wins; `none` takes a default away. */
function merged(defaults: unknown, entry: unknown): unknown {
  if (!isRaw(defaults) || !isRaw(entry)) return entry ?? (isRaw(defaults) ? {} : entry);
  const result: Record<string, unknown> = { ...defaults };
  for (const [key, value] of Object.entries(entry)) {
    if (value === "none" && key in defaults) delete result[key];
    else result[key] = isRaw(value) && isRaw(defaults[key]) ? merged(defaults[key], value) : value;
  }
  return result;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRaw(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
