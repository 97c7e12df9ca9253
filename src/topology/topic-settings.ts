/** Which settings of topics a mirror carries over, and what a change of one side asks of the other: as data. */

/** Carried over unless a mirror says otherwise: how long and how much a topic keeps, and how it is cleaned. None of them
 *  changes a record or its timestamp. */
export const DEFAULT_SYNCED_SETTINGS: readonly string[] = [
  "cleanup.policy",
  "delete.retention.ms",
  "max.compaction.lag.ms",
  "max.message.bytes",
  "min.cleanable.dirty.ratio",
  "min.compaction.lag.ms",
  "retention.bytes",
  "retention.ms",
  "segment.bytes",
  "segment.ms",
];

/** Carried over only when a mirror names them. */
const ON_REQUEST_SETTINGS: readonly string[] = [
  "file.delete.delay.ms",
  "flush.messages",
  "flush.ms",
  "index.interval.bytes",
  "message.timestamp.after.max.ms",
  "message.timestamp.before.max.ms",
  "preallocate",
  "segment.index.bytes",
  "segment.jitter.ms",
];

/** Never carried over, each with the reason. */
const LOCAL_SETTINGS: Readonly<Record<string, string>> = {
  "compression.type": "a target that compresses again would not hold the source's bytes",
  "follower.replication.throttled.replicas": "it names brokers of one cluster",
  "leader.replication.throttled.replicas": "it names brokers of one cluster",
  "local.retention.bytes": "each cluster has its own disks",
  "local.retention.ms": "each cluster has its own disks",
  "message.timestamp.type": "a target that sets its own timestamps would not hold the source's",
  "min.insync.replicas": "it depends on the target's own number of replicas",
  "remote.storage.enable": "each cluster has its own storage",
  "unclean.leader.election.enable": "it decides about the safety of one cluster",
};

/** Names that a mirror may list. */
export const SYNCABLE_SETTINGS: readonly string[] = [...DEFAULT_SYNCED_SETTINGS, ...ON_REQUEST_SETTINGS].toSorted();

/** Why a setting cannot be carried over; undefined when it can. */
export function settingProblem(name: string): string | undefined {
  const reason = Object.hasOwn(LOCAL_SETTINGS, name) ? LOCAL_SETTINGS[name] : undefined;
  if (reason !== undefined) return `${name} is never carried over: ${reason}`;
  if (SYNCABLE_SETTINGS.includes(name)) return undefined;
  return `"${name}" is no topic setting that can be carried over`;
}

/** The settings made on a topic itself, by name; what it inherits from its broker is left out. */
export type TopicSettings = ReadonlyMap<string, string>;

/** A change to make; `to` null goes back to the cluster's default, `from` undefined was inherited. */
export interface SettingChange {
  readonly name: string;
  readonly from: string | undefined;
  readonly to: string | null;
}

/** What the target lacks, in the order of names. A setting goes back to its default only when the mirror made it
 *  (`ours`, by name), the source no longer has it, and nobody has changed it on the target since. */
export function settingChanges(sides: {
  readonly source: TopicSettings;
  readonly target: TopicSettings;
  readonly sync: readonly string[];
  readonly ours?: TopicSettings;
}): readonly SettingChange[] {
  const { source, target, sync, ours } = sides;
  return sync.toSorted().flatMap((name): readonly SettingChange[] => {
    const wanted = source.get(name);
    const from = target.get(name);
    if (wanted !== undefined) return wanted === from ? [] : [{ name, from, to: wanted }];
    const isOurs = from !== undefined && ours?.get(name) === from;
    return isOurs ? [{ name, from, to: null }] : [];
  });
}
