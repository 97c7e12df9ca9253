/** Mistakes that an offloader or a gc could make, planted through the ports; each must break an invariant by name. */

import { decodeManifest } from "../../../src/tier/manifest.ts";
import { bodyOf, wholeOf } from "../../../src/tier/object-body.ts";
import type { ArchivedPartition, ObjectStore } from "../../../src/tier/ports.ts";
import { deleteTopic, forgetDeleted, inTurn, type Job, offload, wait } from "./jobs.ts";
import type { Mistake, Scenario } from "./runs.ts";
import { type ArchiveProcess, type ArchiveWorld, GRACE_MS } from "./world.ts";

/** A planted mistake, what shows it, and the invariant that it breaks. */
export interface PlantedMistake {
  readonly name: string;
  readonly breaks: RegExp;
  readonly scenario: Scenario;
  readonly mistake?: Mistake;
}

const isManifest = (key: string): boolean => key.includes("/manifest/");

/** Data are written once the manifest that names them is; until then the process answers from memory. */
function manifestBeforeData(process: ArchiveProcess): ArchiveProcess {
  const { store } = process;
  const held = new Map<string, Buffer>();
  const late: ObjectStore = {
    ...store,
    put: async (key, content) => void held.set(key, await wholeOf(bodyOf(content))),
    get: async (key, range) => {
      const bytes = held.get(key);
      return bytes === undefined ? store.get(key, range) : bytes.subarray(range?.start, range?.endExclusive);
    },
    putIfAbsent: async (key, bytes) => {
      const isNew = await store.putIfAbsent(key, bytes);
      for (const [name, content] of held) await store.put(name, content);
      held.clear();
      return isNew;
    },
  };
  return { ...process, store: late };
}

/** The local copy goes once it is uploaded. */
function deleteBeforePublish(process: ArchiveProcess): ArchiveProcess {
  const { store, source } = process;
  let reading: readonly [ArchivedPartition, bigint] | undefined;
  return {
    ...process,
    source: {
      ...source,
      readSegment: (partition, baseOffset) => {
        reading = [partition, baseOffset];
        return source.readSegment(partition, baseOffset);
      },
    },
    store: {
      ...store,
      putIfAbsent: async (key, bytes) => {
        if (reading !== undefined) await source.dropLocal(...reading);
        return store.putIfAbsent(key, bytes);
      },
    },
  };
}

/** The store's word that it has the bytes is taken for the bytes; what it has are others. */
function trustEtag(process: ArchiveProcess, world: ArchiveWorld): ArchiveProcess {
  const { store } = process;
  const sent = new Map<string, Buffer>();
  return {
    ...process,
    store: {
      ...store,
      put: async (key, content) => {
        sent.set(key, await wholeOf(bodyOf(content)));
        await store.put(key, content);
        const object = world.store.objects.get(key);
        if (object !== undefined && key.endsWith(".log")) object[object.length - 1] = (object.at(-1) ?? 0) ^ 1;
      },
      get: async (key, range) => sent.get(key)?.subarray(range?.start, range?.endExclusive) ?? store.get(key, range),
    },
  };
}

/** Whoever comes later replaces a manifest, and takes it for a win. */
function publishOverAnother(process: ArchiveProcess): ArchiveProcess {
  const { store } = process;
  const putIfAbsent = async (key: string, bytes: Uint8Array): Promise<boolean> => {
    await store.put(key, bytes);
    return true;
  };
  return { ...process, store: { ...store, putIfAbsent } };
}

/** Whatever the newest manifest does not name goes at once. */
const gcWithoutGrace: Job = async ({ store }) => {
  const keys = await store.list("");
  const newest = keys.filter(isManifest).at(-1);
  const segments = newest === undefined ? [] : decodeManifest(newest, await store.get(newest)).segments;
  const named = new Set(segments.map(({ key }) => key));
  for (const key of keys)
    if (!isManifest(key) && !named.has(key.slice(0, key.lastIndexOf(".")))) await store.remove(key);
};

/** Manifests go by their age alone, the newest with them. */
const gcOfNewest: Job = async ({ store, clock }) => {
  for (const key of (await store.list("")).filter(isManifest)) {
    const facts = await store.stat(key);
    if (facts !== undefined && facts.modifiedMs <= clock.nowMs() - GRACE_MS) await store.remove(key);
  }
};

/** What was there once is taken for there, also after all of an archive was collected. */
function collectedIsThere(process: ArchiveProcess): ArchiveProcess {
  const { store } = process;
  const seen = new Set<string>();
  const list = async (prefix: string): Promise<readonly string[]> => {
    const keys = await store.list(prefix);
    for (const key of keys) seen.add(key);
    return keys;
  };
  const stat: ObjectStore["stat"] = async (key) => (seen.has(key) ? { sizeBytes: 1, modifiedMs: 0 } : store.stat(key));
  return { ...process, store: { ...store, list, stat } };
}

const dies: Scenario = { name: "offload dies", before: offload, job: offload };

/** All of them. */
export const MISTAKES: readonly PlantedMistake[] = [
  { name: "manifest before data", breaks: /no dangling reference/, scenario: dies, mistake: manifestBeforeData },
  {
    name: "delete before publish",
    breaks: /deleted locally only what is published and verified/,
    scenario: dies,
    mistake: deleteBeforePublish,
  },
  {
    name: "trust an ETag",
    breaks: /deleted locally only what is published and verified/,
    scenario: dies,
    mistake: trustEtag,
  },
  {
    name: "publish over another writer",
    breaks: /the archive never has a hole|orphans are collected|no dangling reference|no record unreadable/,
    scenario: { name: "another offloader works", before: offload, job: offload, meanwhile: offload },
    mistake: publishOverAnother,
  },
  {
    name: "gc without grace",
    breaks: /no dangling reference|deleted locally only/,
    scenario: { name: "gc runs meanwhile", before: offload, job: offload, meanwhile: gcWithoutGrace },
  },
  {
    name: "gc of the newest manifest",
    breaks: /everything is archived|no record unreadable|the archive never has a hole/,
    scenario: {
      name: "gc by age",
      before: offload,
      job: async (process, world) => {
        await world.clock.advance(GRACE_MS + 1);
        await gcOfNewest(process, world);
      },
    },
  },
  {
    name: "publish behind an archive that was collected",
    breaks: /no dangling reference/,
    scenario: {
      name: "a topic is deleted meanwhile",
      before: offload,
      job: offload,
      meanwhile: inTurn(deleteTopic, forgetDeleted, wait, forgetDeleted),
    },
    mistake: collectedIsThere,
  },
];
