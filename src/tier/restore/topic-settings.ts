/** Which settings a restored topic gets: while it is filled such as delete nothing, and afterwards those of the archive, as far as they
 *  would not delete what was just restored. */

import type { TopicRestore } from "./restore-plan.ts";

/** Settings by which a topic is known that a restore has made and not finished. */
export const WHILE_RESTORED: ReadonlyMap<string, string> = new Map([
  ["cleanup.policy", "delete"],
  ["message.timestamp.type", "CreateTime"],
  ["retention.bytes", "-1"],
  ["retention.ms", "-1"],
]);

/** Settings for a new topic: those of the archive that `carried` names. What belongs to one cluster stays with the target's defaults. */
export function settingsToCreate({ record }: TopicRestore, carried: readonly string[]): ReadonlyMap<string, string> {
  const taken = [...(record?.configs ?? [])].filter(([name]) => carried.includes(name));
  return new Map([...taken, ...WHILE_RESTORED]);
}

/** A setting of a finished topic; null goes back to the target's default. */
export interface FinalSetting {
  readonly name: string;
  readonly value: string | null;
  /** Why it is not the archive's. */
  readonly warning?: string;
}

/** Settings once everything is restored. `retentionMs` is what somebody asked for. */
export function settingsToFinish(
  { record, partitions, topic }: TopicRestore,
  { retentionMs, nowMs }: { readonly retentionMs: number | undefined; readonly nowMs: number },
): readonly FinalSetting[] {
  const archived = record?.configs ?? new Map<string, string>();
  const policy = archived.get("cleanup.policy") ?? null;
  const oldest = partitions.map(({ oldestMs }) => oldestMs).filter((ms) => ms >= 0);
  const ageMs = oldest.length === 0 ? 0 : nowMs - Math.min(...oldest);
  const bytes = Math.max(0, ...partitions.map((partition) => partition.bytes));
  return [
    { name: "cleanup.policy", value: policy },
    retentionOf("retention.ms", { topic, asked: retentionMs, archived: archived.get("retention.ms"), needed: ageMs }),
    retentionOf("retention.bytes", {
      topic,
      asked: undefined,
      archived: archived.get("retention.bytes") ?? "-1",
      needed: bytes,
    }),
  ];
}

interface RetentionFacts {
  readonly topic: string;
  readonly asked: number | undefined;
  readonly archived: string | undefined;
  /** What the restored records need. */
  readonly needed: number;
}

function retentionOf(name: string, { topic, asked, archived, needed }: RetentionFacts): FinalSetting {
  if (asked !== undefined) return { name, value: String(asked) };
  if (archived === "-1" || Number(archived) > needed) return { name, value: archived ?? null };
  const why =
    archived === undefined ? "the archive names none, and the cluster's own might delete" : `${archived} would delete`;
  return {
    name,
    value: "-1",
    warning: `${name} of ${topic} is -1 (unlimited), since ${why} what was restored; set it as you need it`,
  };
}
