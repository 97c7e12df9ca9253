/** A plan: everything that is decided before a run begins, as data that can be stored, replayed and cut down. */

import { z } from "zod";

/** The two regions of every world. Mirrors go from east to west, in two-way worlds back as well. */
export const REGIONS = ["east", "west"] as const;
/** See `REGIONS`. */
export type RegionName = (typeof REGIONS)[number];

const region = z.enum(REGIONS);
const ms = z.int().min(0);
const slot = z.int().min(1);
/** A region, `worker-<slot>` or `producer-<region>`. */
const place = z.string().min(1);

const fault = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("stop-broker"), atMs: ms, region, broker: slot, forMs: ms }),
  z.strictObject({ kind: z.literal("unclean-election"), atMs: ms, region, heldMs: ms, downMs: ms }),
  /** `written`: the process dies. `synced`: the machine does, and what was not on the disk is gone. */
  z.strictObject({
    kind: z.literal("crash-region"),
    atMs: ms,
    region,
    keeps: z.enum(["written", "synced"]),
    downMs: ms,
  }),
  z.strictObject({ kind: z.literal("fill-disk"), atMs: ms, region, forMs: ms }),
  /** Workers do not reach the source for a while, and then what they missed is deleted there. */
  z.strictObject({ kind: z.literal("overtake"), atMs: ms, topic: z.string(), partition: ms, forMs: ms }),
  z.strictObject({ kind: z.literal("recreate-topic"), atMs: ms, topic: z.string() }),
  z.strictObject({ kind: z.literal("skew-clock"), atMs: ms, worker: slot, skewMs: z.int(), forMs: ms }),
  z.strictObject({
    kind: z.literal("slow-link"),
    atMs: ms,
    from: place,
    to: place,
    latencyMs: ms,
    jitterMs: ms,
    forMs: ms,
  }),
  /** One direction only, unless cut. */
  z.strictObject({
    kind: z.literal("break-link"),
    atMs: ms,
    from: place,
    to: place,
    mode: z.enum(["held", "lost", "cut"]),
    forMs: ms,
  }),
  /** The next batch of a worker in this region. */
  z.strictObject({
    kind: z.literal("disturb-produce"),
    atMs: ms,
    region,
    how: z.enum(["cut-reply", "swallow-reply", "delay-reply", "delay", "drop", "repeat", "refuse"]),
    delayMs: ms,
  }),
  z.strictObject({ kind: z.literal("kill-worker"), atMs: ms, worker: slot, downMs: ms }),
  /** As SIGSTOP: nothing runs, nothing arrives; what was on its way arrives later. */
  z.strictObject({ kind: z.literal("freeze-worker"), atMs: ms, worker: slot, forMs: ms }),
  /** Producers rest: long enough, and brokers forget producers. */
  z.strictObject({ kind: z.literal("pause-load"), atMs: ms, forMs: ms }),
]);

const shape = z.strictObject({
  directions: z.enum(["one-way", "two-way"]),
  topics: z.array(z.strictObject({ name: z.string(), partitions: slot, appendTime: z.boolean() })).min(1),
  workers: slot,
  brokers: z.strictObject({ east: slot, west: slot }),
  followDelayMs: ms,
  /** Load and faults end here. */
  loadMs: ms,
  /** Mean time between two batches of a region's producer. */
  pauseMs: ms,
  batchRecordsMax: slot,
  valueBytesMax: slot,
  codecs: z.array(z.enum(["none", "gzip", "snappy", "lz4", "zstd"])).min(1),
  /** Share of batches that look as compaction leaves them: with offsets missing inside. */
  compactedShare: z.number().min(0).max(1),
  /** Between workers and regions. */
  link: z.strictObject({ latencyMs: ms, jitterMs: ms }),
  /** Bytes of network arrive cut at random places. */
  randomPieces: z.boolean(),
  mergeAckMs: ms,
  /** `max.message.bytes` in the west; 0 = as in the east. */
  targetBytesMax: ms,
  onGap: z.enum(["stop", "skip"]),
  onRecreate: z.enum(["stop", "restart"]),
  /** `producer.id.expiration.ms` of both regions. */
  expirationMs: slot,
  uncleanElections: z.boolean(),
  groups: ms,
});

const plan = z.strictObject({ version: z.literal(1), seed: z.int().min(0), shape, faults: z.array(fault) });

/** How a world is built and loaded. */
export type Shape = Readonly<z.infer<typeof shape>>;
/** One fault, with the virtual time at which it happens. */
export type PlannedFault = Readonly<z.infer<typeof fault>>;
/** A fault of one kind. */
export type FaultOf<K extends PlannedFault["kind"]> = Extract<PlannedFault, { readonly kind: K }>;
/** See the file's comment. */
export interface SimPlan {
  readonly version: 1;
  /** Of every stream of chance in the run. */
  readonly seed: number;
  readonly shape: Shape;
  readonly faults: readonly PlannedFault[];
}

/** Reads a stored plan. @throws {Error} one line that says what is wrong */
export function parsePlan(text: string): SimPlan {
  const parsed = plan.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`not a plan: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** Says whether the plan holds a fault of the kind, in the region if one is given. */
export function hasFault(plan: SimPlan, kind: PlannedFault["kind"], where?: RegionName): boolean {
  return plan.faults.some(
    (each) => each.kind === kind && (where === undefined || !("region" in each) || each.region === where),
  );
}

/** Says whether the plan takes acknowledged records away from a region. */
export function destroysIn(plan: SimPlan, where: RegionName): boolean {
  return (
    hasFault(plan, "unclean-election", where) ||
    plan.faults.some((each) => each.kind === "crash-region" && each.region === where && each.keeps === "synced")
  );
}
