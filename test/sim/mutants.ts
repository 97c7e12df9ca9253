/** Planted mistakes: each must be found out, or the simulator proves nothing. They get in through ports and hooks only. */

import type { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import type { ProducerStates } from "../../src/broker/log/producer-states.ts";
import type { Source, Target } from "../../src/mirror/ports.ts";
import { type Walked, type WalkRequest, walkSource } from "../../src/mirror/source-walk.ts";
import { batchesIn, NO_PRODUCER_ID, stampBatch } from "../../src/wire/record-batch.ts";
import { delegatedTarget } from "./delegated-target.ts";
import type { Mutation } from "./mutant.ts";
import type { PlannedFault, Shape, SimPlan } from "./plan.ts";

const PRODUCE_KEY = 0;
/** Batches that a lane may have in flight once the target knows it. */
const IN_FLIGHT_MAX = 5;

/** A mistake, and which plans give it a chance to show. */
export interface Mutant {
  readonly name: string;
  readonly about: string;
  readonly mutation: Mutation;
  /** Turns any plan into one in which the mistake can show. */
  readonly focus: (plan: SimPlan) => SimPlan;
}

/** All of them. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "no-takeover",
    about: "a lane trusts its stored position instead of the target",
    mutation: { hooks: { takeover: false } },
    focus: (plan) => shaped(plan, { workers: 2, onGap: "stop" }),
  },
  {
    name: "walk-off-by-one",
    about: "a takeover walks one record too far",
    mutation: {
      hooks: { walk: (request, signal) => walkSource({ ...request, records: request.records + 1n }, signal) },
    },
    focus: (plan) => shaped(plan, { workers: 2, onGap: "stop" }),
  },
  {
    name: "walk-over-compaction",
    about: "a takeover counts offsets where it should count records",
    mutation: { hooks: { walk: walkByOffsets } },
    focus: (plan) => shaped(plan, { workers: 2, onGap: "stop", compactedShare: 0.5 }),
  },
  {
    name: "no-dedup",
    about: "brokers append a repeated batch again",
    mutation: { region: withoutDedup },
    focus: (plan) => shaped(plan, { workers: 2, onGap: "stop" }),
  },
  {
    name: "map-off-by-one",
    about: "acknowledged offsets are taken for one more than they are",
    mutation: { target: oneTooFar },
    focus: (plan) => plan,
  },
  {
    name: "progress-before-ack",
    about: "a batch counts as acknowledged when it is sent",
    mutation: { target: acknowledgedAtOnce },
    focus: (plan) => withFaults(plan, disturbances("drop")),
  },
  {
    name: "no-loop-check",
    about: "a lane does not see which records came from the other side",
    mutation: { source: withoutProducers },
    focus: (plan) => twoWay(plan),
  },
  {
    name: "five-in-flight",
    about: "five batches are in flight although the target does not know the producer",
    mutation: { hooks: { inFlightAlone: IN_FLIGHT_MAX } },
    focus: (plan) => shaped(withFaults(plan, lateBeginning()), { workers: 1, directions: "one-way", pauseMs: 20 }),
  },
  {
    name: "live-on-expired-state",
    about: "live mode goes on after the target has forgotten the producer",
    mutation: { target: neverForgotten },
    focus: (plan) =>
      shaped(withFaults(plan, longPause()), { workers: 1, directions: "one-way", pauseMs: 20, expirationMs: 12_000 }),
  },
];

/** @throws {Error} for a name that no mistake has */
export function mutationOf(name: string): Mutation {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`no planted mistake is called ${name}`);
  return mutant.mutation;
}

function shaped(plan: SimPlan, shape: Partial<Shape>): SimPlan {
  return { ...plan, shape: { ...plan.shape, ...shape } };
}

/** Copies' topics must not stamp them with a time of their own, and are not made again. */
function twoWay(plan: SimPlan): SimPlan {
  const topics = plan.shape.topics.map((topic) => ({ ...topic, appendTime: false }));
  const faults = plan.faults.filter(({ kind }) => kind !== "recreate-topic");
  return shaped(withFaults(plan, faults), { directions: "two-way", topics });
}

function withFaults(plan: SimPlan, faults: readonly PlannedFault[]): SimPlan {
  return { ...plan, faults };
}

function disturbances(how: "drop" | "refuse"): readonly PlannedFault[] {
  return [300, 900, 1_500, 2_100].map((atMs) => ({ kind: "disturb-produce", atMs, region: "west", how, delayMs: 0 }));
}

/** The worker comes when several batches wait for it, and the first one that it sends is refused. */
function lateBeginning(): readonly PlannedFault[] {
  return [
    { kind: "kill-worker", atMs: 1, worker: 1, downMs: 1_000 },
    { kind: "disturb-produce", atMs: 2, region: "west", how: "refuse", delayMs: 0 },
  ];
}

/** The first batch after a pause in which the target forgot the producer is refused. */
function longPause(): readonly PlannedFault[] {
  return [
    { kind: "pause-load", atMs: 1_500, forMs: 26_000 },
    { kind: "slow-link", atMs: 27_000, from: "worker-1", to: "west", latencyMs: 80, jitterMs: 0, forMs: 1_000 },
    { kind: "disturb-produce", atMs: 27_000, region: "west", how: "refuse", delayMs: 0 },
  ];
}

async function walkByOffsets(request: WalkRequest, signal: AbortSignal): Promise<Walked> {
  const walked = await walkSource(request, signal);
  const { from, records } = request;
  const runs = [{ sourceStart: from.offset, length: Number(records) }];
  return { ...walked, runs, next: { ...walked.next, offset: from.offset + records } };
}

/** Partitions come and go, so their memory is looked at before each produce request. */
function withoutDedup(region: EmbeddedRegion): void {
  const changed = new WeakSet<ProducerStates>();
  region.faults.control(PRODUCE_KEY, () => {
    for (const { producers } of region.topics().flatMap(({ partitions }) => partitions.map(({ log }) => log))) {
      if (changed.has(producers)) continue;
      changed.add(producers);
      const check = producers.check.bind(producers);
      producers.check = (batch) => {
        const verdict = check(batch);
        return verdict.kind === "duplicate" ? { kind: "append" } : verdict;
      };
    }
    return undefined;
  });
}

function oneTooFar(target: Target): Target {
  return delegatedTarget(target, {
    append: async (at, batch) => {
      const outcome = await target.append(at, batch);
      return outcome.kind === "appended" ? { ...outcome, baseOffset: outcome.baseOffset + 1n } : outcome;
    },
  });
}

/** The first batch of a partition tells where the next ones will land. */
function acknowledgedAtOnce(target: Target): Target {
  const next = new Map<string, bigint>();
  return delegatedTarget(target, {
    append: async (at, batch) => {
      const key = `${at.topicId}/${at.partition}`;
      const baseOffset = next.get(key);
      const records = BigInt(batch.recordCount);
      const sent = target.append(at, batch);
      if (baseOffset !== undefined) {
        next.set(key, baseOffset + records);
        return { kind: "appended", baseOffset };
      }
      const outcome = await sent;
      if (outcome.kind === "appended") next.set(key, outcome.baseOffset + records);
      return outcome;
    },
  });
}

function neverForgotten(target: Target): Target {
  return delegatedTarget(target, {
    limits: async (topic) => ({ ...(await target.limits(topic)), producerIdExpirationMs: Number.MAX_SAFE_INTEGER }),
  });
}

function withoutProducers(source: Source): Source {
  return {
    clusterId: source.clusterId,
    bounds: (at) => source.bounds(at),
    openTransaction: (at, firstOffset) => source.openTransaction(at, firstOffset),
    laneOfWriter: (producerId) => source.laneOfWriter(producerId),
    topics: () => source.topics(),
    open: (at, from) => {
      const reader = source.open(at, from);
      return {
        get endOffset() {
          return reader.endOffset;
        },
        get highWatermark() {
          return reader.highWatermark;
        },
        get startOffset() {
          return reader.startOffset;
        },
        close: () => reader.close(),
        next: async (signal) => {
          const chunk = await reader.next(signal);
          for (const batch of batchesIn(chunk.records))
            stampBatch(batch, { producerId: NO_PRODUCER_ID, producerEpoch: -1, baseSequence: -1 });
          return chunk;
        },
      };
    },
  };
}
