/** Keeps an eye on the archives in a store: which topics there are, and how far each partition reaches. */

import { lowerOffset } from "../broker/offset-order.ts";
import type { Uuid } from "../core/brand.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { TributaryError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { type ArchivedExtent, type ArchivedTopic, extentOf, topicsIn, topicToShow } from "../tier/archived-topics.ts";
import { type CatalogEntry, readCatalog } from "../tier/catalog.ts";
import type { ColdReader } from "../tier/cold-reader.ts";
import { type Decided, decidedBy, nextToWalk, stableOffsetOf, walkOver } from "../tier/decided.ts";
import { ArchiveError } from "../tier/errors.ts";
import { type ArchivedSegment, type Manifest, manifestKey } from "../tier/manifest.ts";
import { extentUntil, type MomentSearch, searchMoment } from "../tier/moment.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { readTopicRecord } from "../tier/topic-record.ts";

/** Every so many looks the whole store is listed, for new topics; the others ask each partition for its next manifest. */
const LOOKS_PER_CATALOG = 8;
/** Requests at once. */
const REQUESTS_MAX = 8;
/** Data that one look goes through for transactions that the manifests of earlier versions do not tell of: ten seconds or so. Until
 *  everything was gone through, committed readers see what was. */
const WALK_BYTES_PER_LOOK = 1024 * 1024 * 1024;

/** What to watch. */
export interface ArchiveWatchOptions {
  readonly wants: (topic: string) => boolean;
  readonly clusterId?: string | undefined;
  readonly refreshMs: number;
  /** Shows partitions as they were in front of this time, milliseconds since the epoch; undefined: as they are. */
  readonly untilMs?: number | undefined;
}

/** What a watch stands on. */
export interface ArchiveWatchDeps {
  readonly store: ObjectStore;
  readonly reader: ColdReader;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A topic as a region shows it. */
export interface ShownTopic {
  readonly name: string;
  readonly topicId: Uuid;
  /** By index; undefined where nothing is archived. */
  readonly partitions: readonly (ShownExtent | undefined)[];
}

/** An extent with the place where committed readers stop. */
export interface ShownExtent extends ArchivedExtent {
  readonly stableOffset: bigint;
}

interface Watched {
  readonly topic: ArchivedTopic;
  /** How many partitions it had, where that was archived: those that never held a closed segment count too. */
  readonly partitionCount: number;
  readonly partitions: Map<number, Reach>;
}

/** How far a partition's archive reached when it was looked at last. */
interface Reach {
  readonly entry: CatalogEntry;
  /** The newest one. */
  readonly manifest: Manifest;
  readonly extent: ArchivedExtent | undefined;
  /** Of the time to be shown, if one is. */
  readonly moment: MomentSearch | undefined;
  readonly decided: Decided;
}

/** Looks once when asked, and from `start` on from time to time. */
export class ArchiveWatch {
  readonly #options: ArchiveWatchOptions;
  readonly #deps: ArchiveWatchDeps;
  readonly #topics = new Map<Uuid, Watched>();
  /** Topics that cannot be shown, so that each is told of once. */
  readonly #told = new Set<string>();
  #show: ((topic: ShownTopic) => void) | undefined;
  #looks = 0;
  #looking: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(options: ArchiveWatchOptions, deps: ArchiveWatchDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** The cluster whose topics these are; undefined when there are several, or none. */
  get onlyClusterId(): string | undefined {
    const [only, ...others] = this.clusterIds;
    return others.length === 0 ? only : undefined;
  }

  /** All clusters whose topics these are. */
  get clusterIds(): readonly string[] {
    return [...new Set([...this.#topics.values()].map(({ topic }) => topic.clusterId))];
  }

  /** The cluster that a topic was archived from. */
  clusterOf(topicId: Uuid): string {
    return this.#topics.get(topicId)?.topic.clusterId ?? "";
  }

  /** Where a partition ends that is shown as it was at a time; undefined where it ends as its archive does. */
  endOf({ topicId, partition }: { readonly topicId: Uuid; readonly partition: number }): bigint | undefined {
    return this.#topics.get(topicId)?.partitions.get(partition)?.moment?.endOffset;
  }

  /** Tells `show` of every topic, now and whenever there is more of it. */
  start(show: (topic: ShownTopic) => void): void {
    this.#show = show;
    for (const watched of this.#topics.values()) this.#tell(watched);
    this.#schedule();
  }

  /** Looks at everything, after what is under way. The first look lists the store and throws what is wrong with it.
   *  @throws {StoreError | ArchiveError} */
  look(): Promise<void> {
    const next = this.#looking.catch(() => undefined).then(() => this.#look(true));
    this.#looking = next;
    return next;
  }

  /** Ends after the look that is under way. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#looking.catch(() => undefined);
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = this.#deps.clock.after(this.#options.refreshMs, () => {
      this.#looking = this.#looking.catch(() => undefined).then(() => this.#lookAgain());
      void this.#looking.then(() => this.#schedule());
    });
  }

  /** Readers go on with what is known while the store cannot be asked; the next look tries again. */
  async #lookAgain(): Promise<void> {
    const { store, logger } = this.#deps;
    try {
      await this.#look(this.#looks % LOOKS_PER_CATALOG === 0);
      if (this.#isFailing) logger.info("the archive can be looked at again", { store: store.location });
      this.#isFailing = false;
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      if (!this.#isFailing)
        logger.warn("new segments of the archive are not seen", { store: store.location, cause: error.message });
      this.#isFailing = true;
    }
  }

  async #look(isWhole: boolean): Promise<void> {
    if (this.#isClosed) return;
    const changed = new Set<Watched>();
    const isFirst = this.#looks === 0;
    if (isWhole) for (const topic of await this.#catalog(isFirst)) await this.#compare(topic, changed);
    else await this.#askForNext(changed);
    await this.#walkOn(changed);
    this.#looks++;
    for (const watched of changed) this.#tell(watched);
  }

  /** The topics to show. Only the first look fails for one that is ambiguous: later the others go on being served. */
  async #catalog(isFirst: boolean): Promise<readonly ArchivedTopic[]> {
    const { store } = this.#deps;
    const { wants, clusterId } = this.#options;
    const below = clusterId === undefined ? "" : `${clusterId}/`;
    const byName = new Map<string, ArchivedTopic[]>();
    for (const topic of topicsIn(await readCatalog(store, below)))
      if (wants(topic.name)) byName.set(topic.name, [...(byName.get(topic.name) ?? []), topic]);
    const shown: ArchivedTopic[] = [];
    for (const [name, candidates] of byName) {
      const known = candidates.find(({ topicId }) => this.#topics.has(topicId));
      try {
        const topic = known ?? (await topicToShow(candidates, (each) => this.#writtenAtMs(each)));
        if (topic !== undefined) shown.push(topic);
        const hidden = candidates.filter((each) => each !== topic).map(({ topicId }) => topicId);
        if (hidden.length > 0)
          this.#tellOnce(name, "older topics of one name are not shown", { hidden: hidden.join(",") });
      } catch (error) {
        if (isFirst || !(error instanceof ArchiveError)) throw error;
        this.#tellOnce(name, "a topic is not shown", { cause: error.message });
      }
    }
    return shown;
  }

  async #writtenAtMs({ entries }: ArchivedTopic): Promise<number> {
    const times = await inTurns(
      entries,
      async (entry) => (await this.#deps.reader.refresh(entry.partition))?.writtenAtMs,
    );
    return Math.max(...times.map((time) => time ?? 0));
  }

  async #compare(topic: ArchivedTopic, changed: Set<Watched>): Promise<void> {
    const watched = this.#topics.get(topic.topicId) ?? (await this.#begun(topic));
    this.#topics.set(topic.topicId, watched);
    await inTurns(topic.entries, async (entry) => {
      const known = watched.partitions.get(entry.partition.partition);
      const newest = known === undefined ? undefined : manifestKey(entry.partition, known.manifest.number);
      if (entry.manifestKeys.at(-1) !== newest) await this.#reach(watched, entry, changed);
    });
  }

  async #begun(topic: ArchivedTopic): Promise<Watched> {
    const { name, clusterId, topicId } = topic;
    const partitions = new Map<number, Reach>();
    try {
      const record = await readTopicRecord(this.#deps.store, { topic: name, clusterId, topicId });
      return { topic, partitions, partitionCount: record?.partitions ?? 0 };
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      this.#tellOnce(name, "what is archived of a topic beside its records cannot be read", { cause: error.message });
      return { topic, partitions, partitionCount: 0 };
    }
  }

  async #askForNext(changed: Set<Watched>): Promise<void> {
    const all = [...this.#topics.values()].flatMap((watched) =>
      [...watched.partitions.values()].map((reach) => ({ watched, reach })),
    );
    await inTurns(all, async ({ watched, reach }) => {
      const next = manifestKey(reach.entry.partition, reach.manifest.number + 1);
      if ((await this.#deps.store.stat(next)) !== undefined) await this.#reach(watched, reach.entry, changed);
    });
  }

  async #reach(watched: Watched, entry: CatalogEntry, changed: Set<Watched>): Promise<void> {
    const manifest = await this.#deps.reader.refresh(entry.partition);
    if (manifest === undefined) return;
    const { partition } = entry.partition;
    const before = watched.partitions.get(partition);
    const extent = forward(before?.extent, extentOf(manifest));
    const decided = decidedBy(manifest, before?.decided);
    const moment = await this.#moment(entry, extent, before?.moment);
    watched.partitions.set(partition, { entry, manifest, extent, moment, decided });
    changed.add(watched);
  }

  async #moment(
    { partition }: CatalogEntry,
    extent: ArchivedExtent | undefined,
    before: MomentSearch | undefined,
  ): Promise<MomentSearch | undefined> {
    const { untilMs } = this.#options;
    if (untilMs === undefined || extent === undefined) return before;
    return searchMoment({ partition, extent, untilMs }, before, this.#deps.reader);
  }

  /** Goes through the data of archives whose manifests do not tell which transactions are open, one segment at a time. */
  async #walkOn(changed: Set<Watched>): Promise<void> {
    let leftBytes = WALK_BYTES_PER_LOOK;
    for (const watched of this.#topics.values()) {
      for (const [partition, reach] of watched.partitions) {
        const { manifest } = reach;
        let { decided } = reach;
        for (let next = nextToWalk(manifest, decided); next !== undefined; next = nextToWalk(manifest, decided)) {
          if (leftBytes <= 0 || this.#isClosed) return;
          leftBytes -= next.logBytes;
          const known = await this.#walkOver(next, decided, watched.topic.name);
          if (known === undefined) break;
          decided = known;
          watched.partitions.set(partition, { ...reach, decided });
          changed.add(watched);
        }
      }
    }
  }

  /** Undefined when the segment cannot be read: then committed readers stop in front of it. */
  async #walkOver(segment: ArchivedSegment, known: Decided, topic: string): Promise<Decided | undefined> {
    try {
      return await walkOver(segment, known, this.#deps.store);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      this.#tellOnce(topic, "committed readers stop at a segment that cannot be looked through for open transactions", {
        cause: error.message,
      });
      return undefined;
    }
  }

  #tell({ topic, partitions, partitionCount }: Watched): void {
    if (this.#show === undefined || partitions.size === 0) return;
    const { name, topicId } = topic;
    const count = Math.max(partitionCount, ...[...partitions.keys()].map((index) => index + 1));
    const extents = Array.from({ length: count }, (_, index) => shown(partitions.get(index)));
    try {
      this.#show({ name, topicId, partitions: extents });
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      this.#tellOnce(name, "a topic is not shown", { cause: error.message });
    }
  }

  #tellOnce(topic: string, message: string, fields: Readonly<Record<string, string>>): void {
    if (this.#told.has(topic)) return;
    this.#told.add(topic);
    this.#deps.logger.warn(message, { topic, ...fields });
  }
}

function shown(reach: Reach | undefined): ShownExtent | undefined {
  if (reach?.extent === undefined) return undefined;
  const extent = extentUntil(reach.extent, reach.moment?.endOffset);
  return { ...extent, stableOffset: lowerOffset(stableOffsetOf(reach.decided), extent.endOffset) };
}

/** What a region may be told next: neither end goes back, nor do epochs. Retention may have taken everything: then the partition
 *  is empty where it ended. Segments that came back at the start are seen after a restart only. */
function forward(before: ArchivedExtent | undefined, now: ArchivedExtent | undefined): ArchivedExtent | undefined {
  if (before === undefined) return now;
  if (now === undefined || now.endOffset < before.endOffset) return { ...before, startOffset: before.endOffset };
  const { startOffset } = now.startOffset < before.startOffset ? before : now;
  const { epochs } = latest(now) < latest(before) ? before : now;
  return { startOffset, endOffset: now.endOffset, epochs };
}

function latest({ epochs }: ArchivedExtent): number {
  return epochs.at(-1)?.epoch ?? -1;
}

/** Calls `use` for all, a few at once; the results are in order. Rejects with the first failure. */
async function inTurns<T, R>(items: readonly T[], use: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += REQUESTS_MAX)
    results.push(...(await Promise.all(items.slice(at, at + REQUESTS_MAX).map(use))));
  return results;
}
