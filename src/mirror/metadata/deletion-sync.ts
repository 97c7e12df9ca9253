/** Follows the deletion of topics at the source: looks every few seconds for copies whose source is gone, and deletes them after a
 *  grace if that is the policy, if the mirror made them, and if nobody else wrote there. Everything else is kept, and told. */

import type { Uuid } from "../../core/brand.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { toError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { GoneSource, MadeRecord, MadeTopic } from "../../topology/made.ts";
import type { TopicInfo } from "../ports.ts";
import type { TopicTrouble } from "../status.ts";
import type { MadeStore } from "./made-store.ts";

/** A deletion is noticed this soon. */
const DEFAULT_DELETIONS_EVERY_MS = 5_000;

/** A copy, by both its names and incarnations. */
export interface Copy {
  readonly sourceTopic: string;
  readonly sourceTopicId: Uuid;
  readonly targetTopic: string;
  readonly targetTopicId: Uuid;
}

/** What the sync needs of the source. */
export interface DeletionSource {
  /** Each topic's incarnation, asked for by its name, in order; undefined only where the cluster says that there is none, an error
   *  where it refuses to say. Rejects when it does not answer. */
  incarnations(topics: readonly string[]): Promise<readonly (Uuid | undefined | Error)[]>;
}

/** What the sync needs of the target. */
export interface DeletionTarget {
  /** Deletes this incarnation; nothing happens when it is gone already. Rejects with the reason. */
  remove(topic: { readonly topic: string; readonly topicId: Uuid }): Promise<void>;
}

/** Policy of a flow. */
export interface DeletionSyncOptions {
  readonly sourceClusterId: string;
  readonly policy: "keep" | "delete";
  /** From the moment a worker first missed the source to the deletion. */
  readonly graceMs: number;
  readonly everyMs?: number;
}

/** What the sync works with. */
export interface DeletionSyncDeps {
  readonly source: DeletionSource;
  readonly target: DeletionTarget;
  readonly made: MadeStore;
  /** The topics of both sides as discovery saw them last, at most seconds ago; undefined when it did not. */
  readonly seen: () => { readonly sources: readonly TopicInfo[]; readonly targets: readonly TopicInfo[] } | undefined;
  /** Copies of this flow, made by it or not, of which something is stored or runs. */
  readonly copies: () => Promise<readonly Copy[]>;
  /** Whether the flow is the one that carries a topic that a mirror made. */
  readonly carries: (made: MadeTopic) => boolean;
  /** Why a copy may hold what the mirror did not write; see sole-writer.ts. */
  readonly othersRecords: (copy: Copy, partitions: number) => Promise<string | undefined>;
  /** The copy is gone: nothing is to be expected of it any more. */
  readonly onDeleted: (copy: Copy) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A copy whose source is gone. */
export interface Orphan extends Copy {
  /** When a worker first missed the source, in milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** When it will be deleted; undefined when it is kept. */
  readonly dueMs: number | undefined;
  /** Why it is kept, or why its deletion failed so far. */
  readonly why: string | undefined;
}

/** Works from `run` until its signal. */
export class DeletionSync {
  readonly #options: DeletionSyncOptions;
  readonly #deps: DeletionSyncDeps;
  #orphans: ReadonlyMap<Uuid, Orphan> = new Map();
  /** Copies that hold others' records: looked at once, for reading them can be much. */
  readonly #shared = new Map<Uuid, string>();
  #deleted = 0;
  #trouble: string | undefined;

  constructor(options: DeletionSyncOptions, deps: DeletionSyncDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Copies whose source is gone, pending and kept. */
  get orphans(): readonly Orphan[] {
    return [...this.#orphans.values()];
  }

  /** Copies deleted by this worker. */
  get deleted(): number {
    return this.#deleted;
  }

  /** What keeps deletions from being followed. */
  get troubles(): readonly TopicTrouble[] {
    return this.#trouble === undefined
      ? []
      : [{ sourceTopic: "*", targetTopic: "*", about: "deletions", why: this.#trouble }];
  }

  /** Goes round until the signal; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round();
      const everyMs = this.#options.everyMs ?? DEFAULT_DELETIONS_EVERY_MS;
      await sleep(this.#deps.clock, everyMs, signal).catch(() => undefined);
    }
  }

  /** One round; never rejects. */
  async round(): Promise<void> {
    try {
      this.#trouble = await this.#look();
    } catch (error) {
      this.#trouble = `deletions cannot be followed: ${toError(error).message}`;
    }
  }

  async #look(): Promise<string | undefined> {
    const { source, seen, made, copies } = this.#deps;
    const topics = seen();
    if (topics === undefined) return this.#trouble;
    const { sources, targets } = topics;
    const [records, known] = await Promise.all([made.list(), copies()]);
    const own = records.filter((record) => record.sourceClusterId === this.#options.sourceClusterId);
    const ours = own.filter((record) => record.kind === "topic").filter(this.#deps.carries);
    const candidates = [...new Map([...known, ...ours].map((copy) => [copy.targetTopicId, copyOf(copy)])).values()];
    const there = new Map(targets.map((topic) => [topic.topicId, topic]));
    const alive = new Set(sources.map(({ topicId }) => topicId));
    const live = candidates.filter(({ targetTopicId }) => there.has(targetTopicId));
    const missing = live.filter(({ sourceTopicId }) => !alive.has(sourceTopicId));
    const gone = new Map(
      own.filter((record) => record.kind === "gone").map((record) => [record.targetTopicId, record]),
    );
    await this.#found(
      live.filter(({ sourceTopicId }) => alive.has(sourceTopicId)),
      gone,
    );
    // A cluster that lost everything, or shows nothing, has not had its topics deleted one by one by somebody who meant it.
    if (missing.length > 0 && !sources.some(({ topic, internal }) => !internal && !topic.startsWith("__")))
      return "the source shows no topic at all: no copy is deleted until it does";
    const orphans = new Map<Uuid, Orphan>();
    const incarnations = await source.incarnations(missing.map(({ sourceTopic }) => sourceTopic));
    let refusal: string | undefined;
    for (const [at, copy] of missing.entries()) {
      const incarnation = incarnations[at];
      if (incarnation instanceof Error)
        refusal = `whether ${copy.sourceTopic} is gone is not known: ${incarnation.message}`;
      // Made again under the name: `onRecreate` decides about its copy.
      else if (incarnation !== undefined) await this.#found([copy], gone);
      else {
        const isOurs = ours.some(({ targetTopicId }) => targetTopicId === copy.targetTopicId);
        const partitions = there.get(copy.targetTopicId)?.partitions ?? 0;
        const orphan = await this.#orphan(copy, { gone: gone.get(copy.targetTopicId), isOurs, partitions });
        if (orphan !== undefined) orphans.set(copy.targetTopicId, orphan);
      }
    }
    this.#orphans = orphans;
    return refusal;
  }

  /** The source is there: whatever was noted against it is void. */
  async #found(copies: readonly Copy[], gone: ReadonlyMap<Uuid, GoneSource>): Promise<void> {
    await this.#deps.made.remove(copies.flatMap(({ targetTopicId }) => gone.get(targetTopicId) ?? []));
  }

  /** The copy as it stands after this round; undefined when it was deleted. */
  async #orphan(
    copy: Copy,
    known: { readonly gone: GoneSource | undefined; readonly isOurs: boolean; readonly partitions: number },
  ): Promise<Orphan | undefined> {
    const sinceMs = await this.#since(copy, known.gone);
    const kept = (why: string): Orphan => ({ ...copy, sinceMs, dueMs: undefined, why });
    if (this.#options.policy === "keep") return kept("onDelete is keep");
    if (!known.isOurs) return kept("the mirror did not make it");
    const shared = this.#shared.get(copy.targetTopicId);
    if (shared !== undefined) return kept(shared);
    const dueMs = sinceMs + this.#options.graceMs;
    // Seen missing by this worker itself in the round before, too: one look may catch a broker that has just started.
    const isConfirmed = this.#orphans.has(copy.targetTopicId);
    if (!isConfirmed || this.#deps.clock.nowMs() < dueMs) return { ...copy, sinceMs, dueMs, why: undefined };
    try {
      return await this.#delete(copy, { ...known, sinceMs });
    } catch (error) {
      return { ...copy, sinceMs, dueMs, why: toError(error).message };
    }
  }

  /** A note of another incarnation, or of the future, is none: the grace begins anew. */
  async #since(copy: Copy, gone: GoneSource | undefined): Promise<number> {
    const nowMs = this.#deps.clock.nowMs();
    if (gone !== undefined && gone.sourceTopicId === copy.sourceTopicId && gone.sinceMs <= nowMs) return gone.sinceMs;
    const { targetTopic, targetTopicId, sourceTopicId } = copy;
    const of = { sourceClusterId: this.#options.sourceClusterId, targetTopic, targetTopicId, sourceTopicId };
    await this.#deps.made.put([{ kind: "gone", ...of, sinceMs: nowMs }]);
    this.#deps.logger.warn("source topic is gone", { topic: copy.sourceTopic, copy: targetTopic });
    return nowMs;
  }

  async #delete(
    copy: Copy,
    { partitions, sinceMs }: { readonly partitions: number; readonly sinceMs: number },
  ): Promise<Orphan | undefined> {
    const { target, made, othersRecords, onDeleted, logger } = this.#deps;
    const others = await othersRecords(copy, partitions);
    if (others !== undefined) {
      this.#shared.set(copy.targetTopicId, others);
      logger.warn("copy of a deleted topic is kept", { topic: copy.targetTopic, why: others });
      return { ...copy, sinceMs, dueMs: undefined, why: others };
    }
    await target.remove({ topic: copy.targetTopic, topicId: copy.targetTopicId });
    this.#deleted++;
    logger.info("copy of a deleted topic deleted", { topic: copy.targetTopic, source: copy.sourceTopic });
    onDeleted(copy);
    const records = await made.list();
    await made.remove(records.filter((record) => isAbout(record, copy)));
    return undefined;
  }
}

function copyOf({ sourceTopic, sourceTopicId, targetTopic, targetTopicId }: Copy): Copy {
  return { sourceTopic, sourceTopicId, targetTopic, targetTopicId };
}

function isAbout(record: MadeRecord, copy: Copy): boolean {
  return record.kind !== "acl" && record.targetTopicId === copy.targetTopicId;
}
