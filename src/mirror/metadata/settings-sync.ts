/** Carries the settings of topics over, beside the lanes and never in their way: a round every few seconds, each topic on
 *  its own, failures told with their reason and tried again in the next rounds. */

import type { Uuid } from "../../core/brand.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { toError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { type MadeSettings, settingsRecords } from "../../topology/made.ts";
import { type SettingChange, settingChanges, type TopicSettings } from "../../topology/topic-settings.ts";
import type { TopicTrouble } from "../status.ts";
import type { MadeStore } from "./made-store.ts";

/** A change on the source shows on the target this soon. */
const DEFAULT_SETTINGS_EVERY_MS = 5_000;
/** A topic whose change is refused is left alone for twice as many rounds each time, at most for this many: a refusal
 *  that lasts costs one request in five minutes. */
const REST_ROUNDS_MAX = 60;

/** What the sync needs from a cluster. */
export interface SettingsReader {
  /** The settings made on each topic itself, only those in `names`; topics that do not exist are left out. Rejects when
   *  the cluster does not answer; a single topic that may not be read is an error in the map. */
  settings(topics: readonly string[], names: readonly string[]): Promise<ReadonlyMap<string, TopicSettings | Error>>;
}

/** The cluster that is changed. */
export interface SettingsWriter extends SettingsReader {
  /** All of them or none. Rejects with the reason. */
  change(topic: string, changes: readonly SettingChange[]): Promise<void>;
}

/** A topic with its copy. */
export interface CopiedTopic {
  readonly source: string;
  readonly target: string;
  readonly targetTopicId: Uuid;
}

/** Which settings, of which topics. */
export interface SettingsSyncOptions {
  readonly flow: string;
  readonly sync: readonly string[];
  readonly sourceClusterId: string;
  readonly everyMs?: number;
}

/** What the sync works with. */
export interface SettingsSyncDeps {
  readonly source: SettingsReader;
  readonly target: SettingsWriter;
  /** What mirrors have set on the target, whatever worker did it; only that is ever taken back. */
  readonly made: MadeStore;
  /** The topics that are copied now; both sides exist, or did a moment ago. */
  readonly topics: () => readonly CopiedTopic[];
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Sides {
  readonly source: TopicSettings;
  readonly target: TopicSettings;
  readonly ours: TopicSettings;
}

interface Refusal {
  readonly trouble: TopicTrouble;
  readonly count: number;
  readonly restsUntilRound: number;
}

/** Works from `run` until its signal. */
export class SettingsSync {
  readonly #options: SettingsSyncOptions;
  readonly #deps: SettingsSyncDeps;
  readonly #refusals = new Map<string, Refusal>();
  #unread: readonly TopicTrouble[] = [];
  #round = 0;

  constructor(options: SettingsSyncOptions, deps: SettingsSyncDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Topics whose settings are not the same now, each with the reason. */
  get troubles(): readonly TopicTrouble[] {
    return [...this.#unread, ...[...this.#refusals.values()].map(({ trouble }) => trouble)];
  }

  /** Goes round until the signal; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#options.sync.length === 0) return;
    while (!signal.aborted) {
      await this.round(signal);
      const everyMs = this.#options.everyMs ?? DEFAULT_SETTINGS_EVERY_MS;
      await sleep(this.#deps.clock, everyMs, signal).catch(() => undefined);
    }
  }

  /** One round; never rejects. */
  async round(signal?: AbortSignal): Promise<void> {
    this.#round++;
    const copied = this.#deps.topics();
    this.#forget(copied);
    try {
      await this.#compare(copied, signal);
    } catch (error) {
      const why = `settings cannot be compared: ${toError(error).message}`;
      this.#unread = copied.slice(0, 1).map((topic) => troubleOf(topic, why));
    }
  }

  async #compare(copied: readonly CopiedTopic[], signal: AbortSignal | undefined): Promise<void> {
    if (copied.length === 0) return;
    const { source, target } = this.#deps;
    const { sync } = this.#options;
    const [there, here, ours] = await Promise.all([
      source.settings(
        copied.map((topic) => topic.source),
        sync,
      ),
      target.settings(
        copied.map((topic) => topic.target),
        sync,
      ),
      this.#ours(),
    ]);
    const unread: TopicTrouble[] = [];
    for (const topic of copied) {
      if (signal?.aborted === true) return;
      const [from, to] = [there.get(topic.source), here.get(topic.target)];
      const refused = from instanceof Error ? from : to instanceof Error ? to : undefined;
      if (refused !== undefined) unread.push(troubleOf(topic, `settings cannot be read: ${refused.message}`));
      // What does not exist is the lanes' concern, who tell it.
      else if (from !== undefined && to !== undefined)
        await this.#align(topic, {
          source: from as TopicSettings,
          target: to as TopicSettings,
          ours: ours.get(topic.targetTopicId) ?? new Map(),
        });
    }
    this.#unread = unread;
  }

  async #ours(): Promise<ReadonlyMap<Uuid, TopicSettings>> {
    const ours = (await this.#deps.made.list()).filter(
      (record): record is MadeSettings =>
        record.kind === "settings" && record.sourceClusterId === this.#options.sourceClusterId,
    );
    return new Map(ours.map(({ targetTopicId, settings }) => [targetTopicId, new Map(Object.entries(settings))]));
  }

  async #align(topic: CopiedTopic, sides: Sides): Promise<void> {
    const changes = settingChanges({ ...sides, sync: this.#options.sync });
    if (changes.length === 0) {
      this.#refusals.delete(topic.target);
      return;
    }
    const before = this.#refusals.get(topic.target);
    if (before !== undefined && this.#round < before.restsUntilRound) return;
    const { logger } = this.#deps;
    const fields = { flow: this.#options.flow, topic: topic.target, changes: changes.map(wordsOf).join(", ") };
    try {
      const { target, made } = this.#deps;
      const { sourceClusterId } = this.#options;
      const of = { sourceClusterId, targetTopic: topic.target, targetTopicId: topic.targetTopicId };
      const { before: recorded, after } = settingsRecords(of, sides.ours, changes);
      await made.put([recorded]);
      await target.change(topic.target, changes);
      logger.info("settings carried over", fields);
      this.#refusals.delete(topic.target);
      if (after !== undefined) await made.put([after]);
    } catch (error) {
      const why = `settings are not carried over (${fields.changes}): ${toError(error).message}`;
      if (before?.trouble.why !== why)
        logger.warn("settings not carried over", { ...fields, cause: toError(error).message });
      const count = (before?.count ?? 0) + 1;
      const restsUntilRound = this.#round + Math.min(2 ** count, REST_ROUNDS_MAX);
      this.#refusals.set(topic.target, { trouble: troubleOf(topic, why), count, restsUntilRound });
    }
  }

  #forget(copied: readonly CopiedTopic[]): void {
    const targets = new Set(copied.map(({ target }) => target));
    for (const target of this.#refusals.keys()) if (!targets.has(target)) this.#refusals.delete(target);
  }
}

/** `retention.ms 1000 -> 2000`. */
function wordsOf({ name, from, to }: SettingChange): string {
  return `${name} ${from ?? "default"} -> ${to ?? "default"}`;
}

function troubleOf({ source, target }: CopiedTopic, why: string): TopicTrouble {
  return { sourceTopic: source, targetTopic: target, about: "settings", why };
}
