/** What outlives the processes of an archive: the store, the segments on the brokers' disks, and the time. */

import { createMemoryStore, type MemoryStore } from "../../../src/adapters/memory-store.ts";
import type { Random } from "../../../src/core/random.ts";
import type { ClosedSegment, ObjectStore, SegmentSource } from "../../../src/tier/ports.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, type HeldSegment, PARTITION } from "../../support/segments.ts";
import { undroppable } from "./invariants.ts";
import type { Life } from "./life.ts";
import { storeSeenBy } from "./store-seen.ts";

/** Segments of a world: some to archive, some that arrive later. */
const SEGMENTS = 6;
const BATCHES_PER_SEGMENT = 3;
/** A list may be as many changes behind. */
const LIST_LAG_MAX = 4;
/** More than any process here takes. */
export const GRACE_MS = 3_600_000;

/** The world. */
export interface ArchiveWorld {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  /** All that was ever written, in order of offsets. */
  readonly written: readonly HeldSegment[];
  /** Base offsets of the segments that are on the disk. */
  readonly local: Set<bigint>;
  /** Segments that were ever on the disk: the first ones of `written`. */
  arrived: number;
  /** Offsets below it may be gone: retention let go of them. */
  retiredTo: bigint;
  /** Whether the cluster still has the topic. */
  isTopicThere: boolean;
  /** Processes so far; each names its objects by its number. */
  processes: number;
  /** What processes did that none may do. */
  readonly violations: string[];
  /** The keys as they were after each change of the store. */
  readonly listings: (readonly string[])[];
}

/** A world with `arrived` closed segments on the disk and nothing archived. */
export function openArchiveWorld(arrived = SEGMENTS): ArchiveWorld {
  const clock = createFakeClock();
  const store = createMemoryStore({ nowMs: () => clock.nowMs() });
  const plain = consecutiveSegments(SEGMENTS, { batchesPerSegment: BATCHES_PER_SEGMENT, maxTimestampMs: 0 });
  // One of them has an index of aborted transactions.
  const written = plain.map(({ info, files }, at) => ({
    info,
    files: { ...files, txnindex: at === 1 ? Buffer.alloc(34, 7) : undefined },
  }));
  const local = new Set(written.slice(0, arrived).map(({ info }) => info.baseOffset));
  const listings: (readonly string[])[] = [[]];
  store.after = ({ kind }) => {
    if (kind === "put" || kind === "putIfAbsent" || kind === "remove") listings.push([...store.objects.keys()].sort());
  };
  return {
    clock,
    store,
    written,
    local,
    arrived,
    retiredTo: 0n,
    isTopicThere: true,
    processes: 0,
    violations: [],
    listings,
  };
}

/** The rest of the segments is closed. */
export function arriveAll(world: ArchiveWorld): void {
  for (const { info } of world.written.slice(world.arrived)) world.local.add(info.baseOffset);
  world.arrived = world.written.length;
}

/** What one process sees of the world. */
export interface ArchiveProcess {
  readonly store: ObjectStore;
  readonly source: SegmentSource;
  readonly clock: FakeClock;
  readonly random: Random;
}

/** How a process sees it. */
export interface View {
  readonly life: Life;
  /** For names of objects; no two processes share it. */
  readonly seed: number;
  /** Lists may lag behind, by this chance. */
  readonly lag?: Random;
}

/** A process whose every use of the store and of the disk is a step of its life. */
export function processIn(world: ArchiveWorld, { life, seed, lag }: View): ArchiveProcess {
  return {
    store: storeSeen(world, life, lag),
    source: sourceSeen(world, life),
    clock: world.clock,
    random: seededRandom(seed),
  };
}

function storeSeen({ store, listings }: ArchiveWorld, life: Life, lag: Random | undefined): ObjectStore {
  const listed = (prefix: string): Promise<readonly string[]> | readonly string[] => {
    if (lag === undefined) return store.list(prefix);
    const behind = Math.floor(lag.next() * (LIST_LAG_MAX + 1));
    const keys = listings[Math.max(0, listings.length - 1 - behind)] ?? [];
    return keys.filter((key) => key.startsWith(prefix));
  };
  return storeSeenBy(life, store, listed);
}

function sourceSeen(world: ArchiveWorld, life: Life): SegmentSource {
  const { written, local } = world;
  const closed = (): readonly ClosedSegment[] =>
    written.map(({ info }) => info).filter(({ baseOffset }) => local.has(baseOffset));
  return {
    partitions: () => life.step("partitions", () => (world.isTopicThere ? [PARTITION] : [])),
    closedSegments: () => life.step("closedSegments", closed),
    readSegment: (_, baseOffset) =>
      life.step(`readSegment ${baseOffset}`, () => {
        const held = written.find(({ info }) => info.baseOffset === baseOffset);
        if (held === undefined || !local.has(baseOffset)) throw new Error(`segment ${baseOffset} is not on the disk`);
        return held.files;
      }),
    dropLocal: (_, baseOffset) =>
      life.step(`dropLocal ${baseOffset}`, () => {
        const what = local.has(baseOffset) ? undroppable(world, baseOffset) : undefined;
        if (what !== undefined) world.violations.push(what);
        local.delete(baseOffset);
      }),
  };
}
