/** What this program has made on a target cluster, as records that outlive every worker: only that is ever taken back or
 *  deleted. One record says one fact, so that no two writers ever share one:
 *
 *  ```
 *  topic/<source cluster>/<target topic>                  the topic itself: written after it was made
 *  settings/<source cluster>/<target topic>               its settings:     written before they are made
 *  gone/<source cluster>/<target topic>                   since when its source is missed
 *  acl/<topology>/<source cluster>/<rule>                 a rule:           written before it is made
 *  ```
 *  A crash between record and deed thus leaves a topic that is kept for ever, but never a rule or a setting that nobody would take
 *  back. What cannot be read was not made by us. */

import type { Uuid } from "../core/brand.ts";
import { type Acl, aclParts, isAcl } from "./acls.ts";
import type { SettingChange, TopicSettings } from "./topic-settings.ts";

/** The compacted topic on the target that holds the records. */
export const MADE_TOPIC = "tributary.made.internal";

/** Of the records' values. */
const FORMAT_VERSION = 1;

interface OfTopic {
  readonly sourceClusterId: string;
  readonly targetTopic: string;
  /** The incarnation on the target; a topic that was made again under the name is not ours. */
  readonly targetTopicId: Uuid;
}

/** A topic that a mirror created. */
export interface MadeTopic extends OfTopic {
  readonly kind: "topic";
  readonly sourceTopic: string;
  readonly sourceTopicId: Uuid;
}

/** Settings that a mirror set, by name. */
export interface MadeSettings extends OfTopic {
  readonly kind: "settings";
  readonly settings: Readonly<Record<string, string>>;
}

/** The source of a made topic is missing, without a break, since `sinceMs` (Unix time). */
export interface GoneSource extends OfTopic {
  readonly kind: "gone";
  readonly sourceTopicId: Uuid;
  readonly sinceMs: number;
}

/** A rule that the mirrors of a topology added on the target. */
export interface MadeAcl {
  readonly kind: "acl";
  readonly topology: string;
  readonly sourceClusterId: string;
  readonly acl: Acl;
}

/** One fact. */
export type MadeRecord = MadeTopic | MadeSettings | GoneSource | MadeAcl;

/** True for a rule that mirrors made. */
export function isMadeAcl(record: MadeRecord): record is MadeAcl {
  return record.kind === "acl";
}

/** The rules recorded for the mirrors of one topology from one source, and those recorded for all others. */
export function recordedAcls(
  records: readonly MadeAcl[],
  owner: { readonly topology: string; readonly sourceClusterId: string },
): { readonly ours: readonly Acl[]; readonly others: readonly Acl[] } {
  const isOurs = (one: MadeAcl): boolean =>
    one.topology === owner.topology && one.sourceClusterId === owner.sourceClusterId;
  const aclsOf = (all: readonly MadeAcl[]): readonly Acl[] => all.map(({ acl }) => acl);
  return { ours: aclsOf(records.filter(isOurs)), others: aclsOf(records.filter((one) => !isOurs(one))) };
}

/** The records of a change of a copy's settings: what is stored before it (all that may be there after it), and after it when some of
 *  that is gone by then. */
export function settingsRecords(
  of: Omit<MadeSettings, "kind" | "settings">,
  ours: TopicSettings,
  changes: readonly SettingChange[],
): { readonly before: MadeSettings; readonly after: MadeSettings | undefined } {
  const gone = new Set(changes.filter(({ to }) => to === null).map(({ name }) => name));
  const made = [...ours, ...changes.flatMap(({ name, to }) => (to === null ? [] : [[name, to] as const]))];
  const record = (settings: readonly (readonly [string, string])[]): MadeSettings => {
    return { kind: "settings", ...of, settings: Object.fromEntries(settings) };
  };
  const kept = made.filter(([name]) => !gone.has(name));
  return { before: record(made), after: gone.size === 0 ? undefined : record(kept) };
}

/** The key under which a record is stored; distinct facts have distinct keys. */
export function madeKey(record: MadeRecord): string {
  const parts =
    record.kind === "acl"
      ? [record.topology, record.sourceClusterId, ...aclParts(record.acl)]
      : [record.sourceClusterId, record.targetTopic];
  return [record.kind, ...parts.map(encodeURIComponent)].join("/");
}

/** The value of a record. */
export function encodeMade(record: MadeRecord): Buffer {
  return Buffer.from(JSON.stringify({ version: FORMAT_VERSION, ...record }));
}

/** The record of a key and value; undefined when something else, or a newer program, wrote it. */
export function decodeMade(key: string, value: Buffer): MadeRecord | undefined {
  const parsed = parse(value);
  if (parsed?.["version"] !== FORMAT_VERSION) return undefined;
  const record = recordOf(parsed);
  return record !== undefined && madeKey(record) === key ? record : undefined;
}

type Raw = Readonly<Record<string, unknown>>;

function parse(value: Buffer): Raw | undefined {
  try {
    const parsed: unknown = JSON.parse(value.toString("utf8"));
    return isRaw(parsed) ? parsed : undefined;
  } catch {
    return undefined; // foreign bytes
  }
}

function recordOf(raw: Raw): MadeRecord | undefined {
  const text = (name: string): string | undefined => (typeof raw[name] === "string" ? raw[name] : undefined);
  const sourceClusterId = text("sourceClusterId");
  if (sourceClusterId === undefined) return undefined;
  if (raw["kind"] === "acl") {
    const topology = text("topology");
    const acl = raw["acl"];
    if (topology === undefined || !isAcl(acl)) return undefined;
    return { kind: "acl", topology, sourceClusterId, acl };
  }
  const [targetTopic, targetTopicId] = [text("targetTopic"), text("targetTopicId")];
  if (targetTopic === undefined || targetTopicId === undefined) return undefined;
  const of = { sourceClusterId, targetTopic, targetTopicId: targetTopicId as Uuid };
  if (raw["kind"] === "settings") {
    const { settings } = raw;
    return isTexts(settings) ? { kind: "settings", ...of, settings } : undefined;
  }
  const sourceTopicId = text("sourceTopicId") as Uuid | undefined;
  if (sourceTopicId === undefined) return undefined;
  if (raw["kind"] === "gone") {
    const { sinceMs } = raw;
    return typeof sinceMs === "number" ? { kind: "gone", ...of, sourceTopicId, sinceMs } : undefined;
  }
  const sourceTopic = text("sourceTopic");
  if (raw["kind"] !== "topic" || sourceTopic === undefined) return undefined;
  return { kind: "topic", ...of, sourceTopic, sourceTopicId };
}

function isRaw(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isRaw(value) && Object.values(value).every((one) => typeof one === "string");
}
