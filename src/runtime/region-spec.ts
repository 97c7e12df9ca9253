/** Everything the process of one embedded region must know, as plain data that travels between processes. */

import type { LogLevel } from "../adapters/pino-logger.ts";
import type { ParquetColumns, Region, Tiering, Topology } from "../topology/model.ts";
import { nearestName } from "../topology/nearest.ts";
import { compilePattern, type Selection } from "../topology/patterns.ts";
import type { StoreDeclaration } from "../topology/store-schema.ts";
import { RuntimeError } from "./errors.ts";
import type { UpkeepSpec } from "./tier-upkeep.ts";

/** A selection as text. */
export interface SelectionSpec {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** One tiering rule of the region. */
export interface TieringSpec extends StoreDeclaration {
  readonly topics: SelectionSpec;
  readonly olderThanMs: number;
  readonly keepLocalBytes: number;
  readonly deleteLocal: "never" | "after-verify";
  readonly everyMs: number;
  readonly limits: Tiering["limits"];
  readonly upkeep: UpkeepSpec;
  /** Absent: no Parquet files. */
  readonly parquet?: ParquetColumns;
  /** Of what is read back; absent: the default. */
  readonly readCacheBytes?: number;
}

/** What to run. */
export interface RegionSpec {
  readonly region: string;
  readonly topology: string;
  readonly stateRoot: string;
  readonly host: string;
  readonly brokers: number;
  /** First port; undefined: the ports of the last time when they are free, else any. */
  readonly port: number | undefined;
  /** For topics that appear by being written to. */
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly topicDefaults: Readonly<Record<string, string>>;
  readonly tiering: readonly TieringSpec[];
  /** Ends when the process that started it ends. */
  readonly attached: boolean;
  readonly logLevel: LogLevel;
}

/** How the topology is run. */
export interface SpecOptions {
  readonly stateRoot: string;
  readonly attached: boolean;
  readonly logLevel: LogLevel;
}

/** The region of that name. @throws {RuntimeError} `REGION_UNKNOWN` */
export function regionNamed(topology: Topology, name: string): Region {
  const known = topology.regions.map((region) => region.name);
  const found = topology.regions.find((region) => region.name === name);
  if (found !== undefined) return found;
  const near = nearestName(name, known);
  const remedy = near === undefined ? `known are ${known.join(", ")}` : `did you mean "${near}"?`;
  throw new RuntimeError(
    { code: "REGION_UNKNOWN", region: name, known },
    { message: `no region "${name}" (${topology.file}); ${remedy}` },
  );
}

/** The spec of an embedded region. @throws {RuntimeError} `REGION_NOT_EMBEDDED` */
export function regionSpec(topology: Topology, region: Region, options: SpecOptions): RegionSpec {
  const { local } = region;
  if (local === undefined) {
    const message = `region "${region.name}" is an existing cluster (${region.place.file}:${region.place.line}); give it local: {brokers: 3} to start one here`;
    throw new RuntimeError({ code: "REGION_NOT_EMBEDDED", region: region.name }, { message });
  }
  const rules = topology.tiering.filter((tiering) => tiering.region === region.name);
  return {
    ...options,
    region: region.name,
    topology: topology.name,
    host: local.host,
    brokers: local.brokers,
    port: local.port,
    partitions: local.partitions,
    replicationFactor: local.replicationFactor,
    topicDefaults: { ...segmentDefaults(rules), ...local.topicDefaults },
    tiering: rules.map(tieringSpec),
  };
}

/** Segments must close for anything to become cold; the smallest wish of all rules holds for the region. */
function segmentDefaults(rules: readonly Tiering[]): Readonly<Record<string, string>> {
  const smallest = (values: readonly (number | undefined)[]): number | undefined => {
    const given = values.filter((value) => value !== undefined);
    return given.length === 0 ? undefined : Math.min(...given);
  };
  const bytes = smallest(rules.map((rule) => rule.segmentBytes));
  const ageMs = smallest(rules.map((rule) => rule.segmentAgeMs));
  return {
    ...(bytes === undefined ? {} : { "segment.bytes": String(bytes) }),
    ...(ageMs === undefined ? {} : { "segment.ms": String(ageMs) }),
  };
}

function tieringSpec(rule: Tiering): TieringSpec {
  const { topics, olderThanMs, keepLocalBytes, store, s3, deleteLocal, everyMs, limits } = rule;
  const how = {
    ...(s3 === undefined ? {} : { s3 }),
    ...(rule.readCacheBytes === undefined ? {} : { readCacheBytes: rule.readCacheBytes }),
    ...(rule.parquet === undefined ? {} : { parquet: rule.parquet }),
  };
  return {
    topics: selectionSpec(topics),
    olderThanMs,
    keepLocalBytes,
    store,
    ...how,
    deleteLocal,
    everyMs,
    limits,
    upkeep: upkeepSpec(rule),
  };
}

/** What the rule wants of its archive. */
export function upkeepSpec({ retention, onTopicDeleted, graceMs, scrubBytesPerDay }: Tiering): UpkeepSpec {
  return { retention, onTopicDeleted, graceMs, scrubBytesPerDay };
}

function selectionSpec(selection: Selection): SelectionSpec {
  return {
    include: selection.include.map((pattern) => pattern.text),
    exclude: selection.exclude.map((pattern) => pattern.text),
  };
}

/** The selection that a spec was made from; its patterns were checked then. */
export function selectionOf(spec: SelectionSpec): Selection {
  const compile = (text: string) => {
    const compiled = compilePattern(text);
    if ("problem" in compiled) throw new Error(compiled.problem);
    return compiled;
  };
  return { include: spec.include.map(compile), exclude: spec.exclude.map(compile) };
}
