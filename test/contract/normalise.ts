/** Answers made comparable: what must differ between two clusters (ids, addresses, times, wording) becomes a word. */

import { ZERO_UUID } from "../../src/core/brand.ts";
import { errorName } from "../../src/wire/error-codes.ts";
import { type BatchView, batchesIn } from "../../src/wire/record-batch.ts";

/** What is known of the region and the run. */
export interface NormaliseContext {
  /** Appended to every topic and group of the run, to keep runs apart. */
  readonly suffix: string;
  /** Record timestamps are near this. */
  readonly nowMs: bigint;
}

/** Plain data: strings, numbers, booleans, null, lists and objects. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };

/** Two hours: more than any case moves a timestamp, less than any fixed one is away from now. */
const NEAR_NOW_MS = 7_200_000n;

/** An answer as plain, comparable data. */
export function normalised(value: unknown, context: NormaliseContext, key = ""): Plain {
  // Wording is a broker's own, and whether there is any: clients show it and never branch on it.
  if (WORDING_KEYS.has(key)) return "<text>";
  if (value === null || value === undefined) return null;
  if (Buffer.isBuffer(value)) return key === "records" ? batches(value, context) : value.toString("hex");
  if (Array.isArray(value)) return value.map((item) => normalised(item, context, key));
  if (typeof value === "object") {
    const entries = Object.entries(value).map(([name, item]) => [name, normalised(item, context, name)] as const);
    return Object.fromEntries(entries);
  }
  return scalar(value, context, key);
}

const NODE_KEYS: ReadonlySet<string> = new Set([
  "nodeId",
  "leaderId",
  "controllerId",
  "brokerId",
  "replicaNodes",
  "isrNodes",
  "offlineReplicas",
]);
const WORDING_KEYS: ReadonlySet<string> = new Set(["errorMessage", "message", "documentation"]);
const HIDDEN_KEYS: ReadonlySet<string> = new Set(["clusterId", "host", "port", "clientHost"]);

function scalar(value: unknown, context: NormaliseContext, key: string): Plain {
  if (HIDDEN_KEYS.has(key)) return `<${key}>`;
  if (key === "errorCode" || key === "topicConfigErrorCode") return errorName(Number(value));
  if (key === "topicId") return value === ZERO_UUID ? "zero" : "<uuid>";
  if (NODE_KEYS.has(key) && typeof value === "number" && value >= 0) return "<node>";
  if (key === "logAppendTimeMs" && typeof value === "bigint" && value >= 0n) return "<time>";
  if (typeof value === "bigint") return bigintText(value, context);
  if (typeof value === "string") return memberText(value.replaceAll(context.suffix, ""));
  if (typeof value === "number" || typeof value === "boolean") return value;
  return String(value);
}

function bigintText(value: bigint, { nowMs }: NormaliseContext): string {
  const fromNow = value - nowMs;
  return fromNow > -NEAR_NOW_MS && fromNow < NEAR_NOW_MS ? `now+${fromNow}` : String(value);
}

/** Brokers make member ids of the client id and a random uuid, in either of Kafka's two notations. */
function memberText(text: string): string {
  return text.replace(/^contract-([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9_-]{22})$/, "<member>");
}

function batches(bytes: Buffer, context: NormaliseContext): Plain {
  return [...batchesIn(bytes)].map((one) => ({
    baseOffset: String(one.baseOffset),
    leaderEpoch: one.leaderEpoch,
    attributes: one.attributes,
    lastOffsetDelta: one.lastOffsetDelta,
    baseTimestamp: bigintText(one.baseTimestamp, context),
    maxTimestamp: one.isLogAppendTime ? "<time>" : bigintText(one.maxTimestamp, context),
    producerId: String(one.producerId),
    producerEpoch: one.producerEpoch,
    baseSequence: one.baseSequence,
    recordCount: one.recordCount,
    crc: crcState(one),
    records: one.recordBytes.toString("hex"),
  }));
}

function crcState(one: BatchView): string {
  try {
    one.verifyCrc();
    return "right";
  } catch {
    return "wrong";
  }
}
