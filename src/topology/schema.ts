/** The shape of a topology file as zod schemas, one for each kind of entry. Messages say the fact and the remedy. */

import * as z from "zod";
import { type JsonColumn, parseJsonColumns } from "../core/json-column.ts";
import { parseEndpoint, type StartPosition } from "./model.ts";
import { templateProblem } from "./naming.ts";
import { nearestName } from "./nearest.ts";
import { compilePattern, type Pattern } from "./patterns.ts";
import { compileHeader, compileText, parseSamplePpm } from "./record-filter.ts";
import { hasReference, referenceProblem } from "./references.ts";
import { saslSchema, tlsSchema } from "./security-schema.ts";
import { storeSchema } from "./store-schema.ts";
import { SYNCABLE_SETTINGS, settingProblem } from "./topic-settings.ts";
import { DURATION_UNITS, parseDurationMs, parseSizeBytes, SIZE_UNITS } from "./units.ts";

/** Most brokers that one embedded region starts: each costs listeners and memory on one machine. */
const EMBEDDED_BROKERS_MAX = 9;
/** Longest topology, region or mirror name: it becomes part of topic names, which end at 249 characters. */
const NAME_MAX = 64;

/** A day: time to notice that a topic was deleted by mistake, while its copy is there. */
const DELETE_AFTER_MS = 86_400_000;

/** The part of zod's issue that a refusal sets; `params.code` becomes the code of the topology issue. */
function refuse<T>(
  context: z.core.ParsePayload<unknown>,
  message: string,
  params: { readonly code?: string; readonly suggestion?: string | undefined } = {},
): T {
  context.issues.push({ code: "custom", input: context.value, message, params });
  return z.NEVER as T;
}

/** A text (YAML may give a number where a unit was forgotten) turned into a quantity by `parse`. */
function quantity(parse: (text: string) => number | undefined, units: readonly string[], example: string) {
  const remedy = `a quantity needs a unit, for example "${example}" (${units.join(", ")})`;
  return z
    .string({
      error: (issue) => (typeof issue.input === "number" ? `${issue.input} has no unit; ${remedy}` : undefined),
    })
    .transform((text, context): number => {
      const value = parse(text);
      return value ?? refuse(context, `"${text}" cannot be read; ${remedy}`, { code: "unit-missing" });
    });
}

const duration = quantity(parseDurationMs, DURATION_UNITS, "30s").describe("A duration with its unit, such as 30s.");
const size = quantity(parseSizeBytes, SIZE_UNITS, "50MiB").describe("A size with its unit, such as 50MiB.");

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, {
    error: (issue) =>
      `"${String(issue.input)}" is no name; use letters, digits, - and _, beginning with a letter or digit`,
  })
  .max(NAME_MAX);

const pattern = z.string().transform((text, context): Pattern => {
  const compiled = compilePattern(text);
  return "problem" in compiled ? refuse(context, compiled.problem) : compiled;
});

/** One value or a list of them; always a list afterwards. */
function oneOrMany<T extends z.ZodType>(item: T) {
  return z.union([item.transform((value) => [value]), z.array(item).min(1, "is empty; name at least one")]);
}

/** `[a, b]`, or `{include: [...], exclude: [...]}`. */
const selection = z.union([
  oneOrMany(pattern).transform((include) => ({ include, exclude: [] as Pattern[] })),
  z.strictObject({ include: oneOrMany(pattern), exclude: oneOrMany(pattern).default([]) }),
]);

const broker = z.string().transform((text, context): string => {
  const problem = referenceProblem(text);
  if (problem !== undefined) return refuse(context, problem);
  if (!hasReference(text) && text.split(",").some((part) => parseEndpoint(part) === undefined)) {
    return refuse(context, `"${text}" is no broker address; write host:port`);
  }
  return text;
});

const localRegion = z.strictObject({
  brokers: z.int().min(1).max(EMBEDDED_BROKERS_MAX).default(3).describe("Brokers to start, each with its own port."),
  port: z
    .int()
    .min(1)
    .max(65_535 - EMBEDDED_BROKERS_MAX)
    .optional()
    .describe("First port; left out: any free ones."),
  host: z.string().min(1).default("127.0.0.1"),
  partitions: z.int().min(1).max(10_000).default(1).describe("Partitions of topics that appear by being written to."),
  replicationFactor: z.int().min(1).max(EMBEDDED_BROKERS_MAX).optional(),
  topicDefaults: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
    .default({})
    .describe("Kafka topic settings that every topic starts with, such as retention.ms."),
});

/** One region. */
export const regionSchema = z.strictObject({
  brokers: oneOrMany(broker).optional().describe("Bootstrap addresses host:port of an existing cluster."),
  rack: z
    .string()
    .min(1)
    .max(NAME_MAX)
    .optional()
    .describe(
      "The rack of the region's replicas that are nearest to the worker; its brokers must select replicas by rack.",
    ),
  tls: tlsSchema.optional().describe("Encrypted connections: true, or whom to trust and who this side is."),
  sasl: saslSchema.optional().describe("Who the worker is, to the region's brokers."),
  local: localRegion.optional().describe("How `tributary up` starts this region on this machine."),
});

const start = z.string().transform((text, context): StartPosition => {
  if (text === "earliest" || text === "latest") return text;
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    return refuse(context, `start at a time is not supported yet; write earliest or latest`, { code: "unsupported" });
  }
  return refuse(context, `start "${text}" is no position; write earliest or latest`);
});

const groups = z.strictObject({
  include: oneOrMany(pattern),
  exclude: oneOrMany(pattern).default([]),
  every: duration.default(1_000).describe("How often commits are carried over."),
  direction: z
    .literal(["forward", "both"])
    .default("forward")
    .describe(
      "both: what a group has read on the target moves its position at the source as well, while it is idle there.",
    ),
});

const setting = z.string().transform((text, context): string => {
  const problem = settingProblem(text);
  return problem === undefined ? text : refuse(context, problem, { suggestion: nearestName(text, SYNCABLE_SETTINGS) });
});

const create = z.strictObject({
  partitions: z.literal("source").default("source").describe("Topics have as many partitions as on the source."),
  replicationFactor: z
    .union([z.literal("source"), z.int().min(1).max(32_767)])
    .default("source")
    .describe("Replicas of new topics; never more than the target has brokers."),
  sync: z
    .union([setting.transform((only) => [only]), z.array(setting)])
    .optional()
    .describe("Settings that follow the source's topic; [] for none."),
});

const compat = z.union([
  z.literal("mm2").transform(() => ({ mm2: { readOnlySource: false } })),
  z.strictObject({
    mm2: z.strictObject({
      readOnlySource: z
        .boolean()
        .default(false)
        .describe("Write offset syncs to the target and no heartbeats to the source."),
      offsetsTopic: z
        .string()
        .min(1)
        .optional()
        .describe("Connect's offset.storage.topic where MirrorMaker ran on a Connect cluster."),
      connectGroup: z.string().min(1).optional().describe("That cluster's group.id."),
    }),
  }),
]);

/** Bytes on their way unless a mirror says otherwise: 32 MiB/s over two seconds, and no more memory than that. */
const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;

const limits = z.strictObject({
  bytesPerSecond: size
    .refine((bytes) => bytes > 0, "a rate of 0 would stop the mirror; write a positive size, or leave the key out")
    .optional()
    .describe("What all lanes of the mirror together may write in a second; left out: as fast as it goes."),
  inFlight: size
    .refine((bytes) => bytes > 0, "nothing could be sent; write a positive size, or leave the key out")
    .default(IN_FLIGHT_BYTES_MAX)
    .describe("What all lanes of the mirror together may have written without an acknowledgement."),
});

/** What is younger is on its way as it comes, and no backfill. */
const BACKFILL_OLDER_THAN_MS = 10 * 60_000;

const backfill = z.strictObject({
  bytesPerSecond: size
    .refine((bytes) => bytes > 0, "a rate of 0 would stop the mirror; write a positive size, or leave the key out")
    .describe("What all lanes of the mirror together may write of old records in a second."),
  olderThan: duration.default(BACKFILL_OLDER_THAN_MS).describe("Records are old from this age on, by their own time."),
});

/** Patterns of one list; each is tried on every record. */
const FILTER_PATTERNS_MAX = 64;

function textPattern(compile: (text: string) => object) {
  return z
    .string()
    .max(1_000)
    .transform((text, context): string => {
      const compiled = compile(text);
      return "problem" in compiled ? refuse(context, String(compiled.problem)) : text;
    });
}

function textSelection(compile: (text: string) => object, describe: string) {
  const list = z.union([
    textPattern(compile).transform((only) => [only]),
    z.array(textPattern(compile)).max(FILTER_PATTERNS_MAX),
  ]);
  return z.strictObject({ include: list.default([]), exclude: list.default([]) }).describe(describe);
}

const onlyTrue = z.boolean().transform((value) => (value ? (true as const) : undefined));

const filter = z.strictObject({
  keys: textSelection(
    compileText,
    "Records by their key as text: globs, or regular expressions in slashes, for the whole key.",
  ).optional(),
  headers: textSelection(
    compileHeader,
    "Records by their headers: name, or name=value; globs or regular expressions.",
  ).optional(),
  skipTombstones: onlyTrue.optional().describe("Leaves out records without a value."),
  skipKeyless: onlyTrue.optional().describe("Leaves out records without a key, which a compacted topic refuses."),
  sample: z
    .string({
      error: (issue) =>
        typeof issue.input === "number" ? `sample ${issue.input} has no unit; write a share such as 10%` : undefined,
    })
    .transform((text, context): number => {
      const ppm = parseSamplePpm(text);
      return ppm ?? refuse(context, `sample "${text}" is no share; write one above 0% and up to 100%, such as 10%`);
    })
    .optional()
    .describe("A share of the keys, such as 10%: all records of a key are copied, or none."),
  dropHeaders: z
    .union([
      textPattern(compileText).transform((only) => [only]),
      z.array(textPattern(compileText)).max(FILTER_PATTERNS_MAX),
    ])
    .optional()
    .describe("Headers, by name, that are taken off the records that are copied."),
});

/** One mirror. */
export const mirrorSchema = z.strictObject({
  name,
  from: oneOrMany(name),
  to: oneOrMany(name),
  topics: selection,
  rename: z
    .string({
      error: (issue) =>
        issue.input === undefined
          ? 'missing key "rename"; how topics are called on the target is never guessed: write "{source}.{topic}", "{topic}" or another template'
          : undefined,
    })
    .transform((template, context): string => {
      const problem = templateProblem(template);
      return problem === undefined ? template : refuse(context, problem.fact, { suggestion: problem.suggestion });
    }),
  groups: groups.optional(),
  delivery: z.literal(["exactly-once", "at-least-once"]).default("exactly-once"),
  start: start.default("earliest"),
  onGap: z.literal(["stop", "skip"]).default("stop"),
  onDivergence: z
    .literal(["stop", "continue"])
    .default("stop")
    .describe("When the source lost copied records in an unclean election: stop, or copy what it has now behind them."),
  onRecreate: z.literal(["stop", "restart"]).default("stop"),
  warnOpenTransaction: duration
    .default(15 * 60_000)
    .describe("A transaction of the source that is open for longer is told as trouble: nothing behind it can be read."),
  provenance: z.literal(["local", "all"]).optional(),
  limits: limits.prefault({}),
  backfill: backfill.optional().describe("A rate for old records, apart from the mirror's limits, which hold for all."),
  filter: filter.optional().describe("Records and headers that are left out."),
  create: create.prefault({}),
  compat: compat.optional().describe("mm2: also write checkpoints, heartbeats and offset syncs as MirrorMaker 2 does."),
  onDelete: z
    .literal(["keep", "delete"])
    .default("keep")
    .describe(
      "What becomes of a copy whose source topic was deleted; only copies that the mirror made are ever deleted.",
    ),
  deleteAfter: duration.default(DELETE_AFTER_MS).describe("How long after its source a copy is deleted."),
  acls: z
    .literal(["off", "read", "all"])
    .default("off")
    .describe("Rules about topics that follow the source's: none, who may read and describe, or all as they are."),
});

/** Few, beside what a segment holds; enough that a reader at the end is never sent away. */
const TIER_MARGIN_RECORDS = 1_000;
/** Four large segments at work at once. */
const TIER_SPOOL_BYTES = 1024 ** 3;
/** Longer than any reader of one segment. */
const TIER_GRACE_MS = 24 * 3_600_000;
const RATE_OF_ZERO = "a rate of 0 would stop the rule; write a positive one, or leave the key out";
const count = z.int("it must be a whole number").min(0, "it must not be negative");

const parquet = z.strictObject({
  text: z
    .boolean()
    .default(false)
    .describe("Keys and values are UTF-8 text, not bytes; segments with others are refused."),
  jsonColumns: z
    .union([z.string(), z.array(z.string())])
    .transform((names, context): readonly JsonColumn[] => {
      const columns = parseJsonColumns(typeof names === "string" ? names : names.join(","));
      return typeof columns === "string" ? refuse(context, columns) : columns;
    })
    .default([])
    .describe("Members of JSON values as columns: NAME or NAME:TYPE with string, int64, double or boolean."),
});

/** One tiering rule. */
export const tieringSchema = z.strictObject({
  region: name,
  topics: selection,
  cold: z
    .strictObject({ olderThan: duration.default(0), keepLocal: size.default(0) })
    .default({ olderThan: 0, keepLocal: 0 }),
  store: storeSchema,
  deleteLocal: z.literal(["never", "after-verify"]).default("never"),
  margin: count
    .default(TIER_MARGIN_RECORDS)
    .describe("Newest archived records of a partition that stay in an existing cluster, whatever their age."),
  unread: z
    .literal(["keep", "delete"])
    .default("keep")
    .describe("Whether records of an existing cluster that a consumer group has yet to read may be deleted there."),
  onGap: z
    .literal(["record", "stop"])
    .default("record")
    .describe("What to do about records that an existing cluster deleted before they could be archived."),
  spool: size
    .refine((bytes) => bytes > 0, "nothing could be archived; write a positive size, or leave the key out")
    .default(TIER_SPOOL_BYTES)
    .describe("Disk space for segments of an existing cluster on their way to the store."),
  limits: z
    .strictObject({
      bytesPerSecond: size.refine((bytes) => bytes > 0, RATE_OF_ZERO).optional(),
      requestsPerSecond: count.refine((requests) => requests > 0, RATE_OF_ZERO).optional(),
    })
    .default({})
    .describe("What the rule may send to its store, and read from it, in a second; left out: as fast as it goes."),
  retention: z
    .strictObject({ age: duration.optional(), bytes: size.optional() })
    .default({})
    .describe(
      "When archived segments go again, per partition: by the age of their newest record, by size. Left out: never.",
    ),
  onTopicDeleted: z
    .literal(["keep", "delete"])
    .default("keep")
    .describe("What becomes of the archive of a topic that the region has no more."),
  grace: duration
    .default(TIER_GRACE_MS)
    .describe(
      "How long objects stay after retention or the end of their topic took them out, for readers that still go by them.",
    ),
  scrub: size
    .optional()
    .describe("How much of the archive is read and checked in a day, such as 100GiB; left out: nothing."),
  parquet: parquet
    .optional()
    .describe(
      "Each archived segment is also written as a Parquet file, below parquet/ in the store; {} for the defaults.",
    ),
  every: duration.default(2_000).describe("How often closed segments are looked for."),
  segment: z
    .strictObject({ bytes: size.optional(), age: duration.optional() })
    .default({})
    .describe(
      "When a segment closes: in an embedded region the topics' own, else those that are cut (default: the topic's segment.bytes, at most 256MiB; open for 1h at most).",
    ),
  readCache: size
    .optional()
    .describe("Bytes of what is read back from a bucket that brokers keep on the disk. Default: 1GiB."),
});

/** The top of the file; entries are checked one by one with the schemas above, so that every mistake is reported. */
export const topSchema = z.strictObject({
  version: z.literal(1, { error: () => "version must be 1, the only version of topology files there is" }),
  name,
  defaults: z
    .strictObject({
      region: z.record(z.string(), z.unknown()).optional(),
      mirror: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  regions: z.union([z.array(name).min(1), z.record(name, z.unknown())]),
  mirrors: z.array(z.unknown()).default([]),
  tiering: z.array(z.unknown()).default([]),
});

/** Keys that the format plans for and this version cannot honour yet: refused by name instead of "unknown key". */
export const LATER_KEYS: Readonly<Record<string, string>> = {
  drills: "drills cannot be run yet",
  coordination: "a topology is mirrored by one worker so far",
  objectives: "objectives are not measured yet",
  compress: "segments are stored as they are",
  labels: "labels are not used yet",
};
