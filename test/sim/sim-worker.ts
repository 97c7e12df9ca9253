/** A mirror worker as one process would be: clients, flows and group sync behind one place of the network, and a clock of its own. */

import { KafkaGroups } from "../../src/adapters/kafka-groups.ts";
import { type KafkaProgressStore, openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { KafkaSource } from "../../src/adapters/kafka-source.ts";
import { KafkaTarget } from "../../src/adapters/kafka-target.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { TributaryError } from "../../src/core/errors.ts";
import type { Logger } from "../../src/core/logger.ts";
import type { Network } from "../../src/core/network.ts";
import type { Random } from "../../src/core/random.ts";
import { Flow } from "../../src/mirror/flow.ts";
import { type GroupSyncReport, runGroupSync } from "../../src/mirror/groups.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import { companyOf, indexLanes, type LaneIndex, NO_LANES } from "../../src/runtime/lane-company.ts";
import { compilePattern, type Pattern } from "../../src/topology/patterns.ts";
import type { Marks } from "./marks.ts";
import type { Mutation } from "./mutant.ts";
import type { RegionName, Shape } from "./plan.ts";
import type { SimRegion } from "./sim-region.ts";
import { watchedTarget } from "./target-watch.ts";
import { WorkerClock } from "./worker-clock.ts";

/** Shorter than in production, so that groups are carried over several times while there are faults. */
const GROUP_SYNC_MS = 2_000;
const REOPEN_MS = 50;
const LAST_STORE_MS = 500;

/** What a worker stands on. */
export interface SimWorkerDeps {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
  readonly regions: Readonly<Record<RegionName, SimRegion>>;
  readonly shape: Shape;
  readonly mutation: Mutation;
  readonly marks: Marks;
  /** Shared by all workers: see `watchedTarget`. */
  readonly acknowledged: Set<string>;
}

/** Everything that begins or ends in one region. */
interface Link {
  readonly client: KafkaClient;
  readonly source: KafkaSource;
  readonly target: KafkaTarget;
  readonly groups: KafkaGroups;
  readonly progress: KafkaProgressStore;
}

/** One direction that a worker copies. */
export interface Direction {
  readonly from: RegionName;
  readonly to: RegionName;
}

/** A flow with its direction. */
export interface RunningFlow extends Direction {
  readonly flow: Flow;
}

/** The directions of a world. */
export function directionsOf(shape: Shape): readonly Direction[] {
  const there = { from: "east", to: "west" } as const;
  return shape.directions === "one-way" ? [there] : [there, { from: "west", to: "east" }];
}

/** What a topic of `from` is called in the other region. */
export function targetTopicOf(shape: Shape, topic: string): string {
  return shape.directions === "one-way" ? `east.${topic}` : topic;
}

/** From `start` to `kill` or `close`. */
export class SimWorker {
  readonly place: string;
  /** Which of the workers it is, from restart to restart. */
  readonly name: string;
  readonly clock: WorkerClock;
  readonly #deps: SimWorkerDeps;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #flows: readonly RunningFlow[] = [];
  #links: readonly Link[] = [];
  #index: { readonly lanes: LaneIndex; readonly atMs: number } | undefined;

  private constructor(place: string, deps: SimWorkerDeps) {
    this.place = place;
    this.name = deps.name;
    this.#deps = deps;
    this.clock = new WorkerClock(deps.clock);
    this.#running = this.#run();
  }

  /** Begins at once; regions that are away are tried again. */
  static start(place: string, deps: SimWorkerDeps): SimWorker {
    return new SimWorker(place, deps);
  }

  /** None until both regions were reached. */
  get flows(): readonly RunningFlow[] {
    return this.#flows;
  }

  /** Rejects on programming errors. */
  get ended(): Promise<void> {
    return this.#running;
  }

  /** Bytes handed to targets and not settled. */
  get inFlightBytes(): number {
    return this.#links.reduce((sum, { target }) => sum + target.inFlightBytes, 0);
  }

  /** Ends as a process that died: to be called once its links are cut, so that nothing of it gets out any more. */
  async kill(): Promise<void> {
    const clients = this.#links.map(({ client }) => client.close());
    await Promise.all([...clients, this.close()]);
  }

  /** Drains, as after SIGTERM. */
  async close(): Promise<void> {
    this.#stopping.abort(new Error("stopped"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const links = await this.#reached(signal);
    if (links === undefined) return;
    this.#links = Object.values(links);
    const { shape } = this.#deps;
    this.#flows = directionsOf(shape).map((direction) => ({ ...direction, flow: this.#flow(direction, links) }));
    const syncing = this.#flows.map((running) => this.#syncGroups(running, links, signal));
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    await Promise.all([...this.#flows.map(({ flow }) => flow.close()), ...syncing]);
    await closeLinks(this.#links, this.clock);
  }

  async #reached(signal: AbortSignal): Promise<Readonly<Record<RegionName, Link>> | undefined> {
    while (!signal.aborted) {
      const opened: Link[] = [];
      try {
        const east = await this.#link("east", signal);
        opened.push(east);
        const west = await this.#link("west", signal);
        opened.push(west);
        signal.throwIfAborted();
        return { east, west };
      } catch (error) {
        await closeLinks(opened, this.clock);
        if (!(error instanceof TributaryError) && error !== signal.reason) throw error;
        await sleep(this.clock, REOPEN_MS, signal).catch(() => undefined);
      }
    }
    return undefined;
  }

  async #link(region: RegionName, signal: AbortSignal): Promise<Link> {
    const { random, network, logger, regions } = this.#deps;
    const deps = { clock: this.clock, random, network, logger };
    const client = await KafkaClient.open(
      {
        bootstrap: regions[region].endpoints,
        clientId: this.place,
        requestTimeoutMs: 2_000,
        connectTimeoutMs: 500,
        frames: { poison: true },
        signal,
      },
      deps,
    );
    try {
      return {
        client,
        source: new KafkaSource({}, { ...deps, client }),
        target: new KafkaTarget({ ...deps, client, worker: this.name }),
        groups: new KafkaGroups({ ...deps, client }),
        progress: await openKafkaProgress({}, { ...deps, client }),
      };
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  #flow({ from, to }: Direction, links: Readonly<Record<RegionName, Link>>): Flow {
    const { shape, random, logger, mutation, marks, acknowledged } = this.#deps;
    const { source } = links[from];
    const target = watchedTarget(links[to].target, marks, acknowledged);
    const template = shape.directions === "one-way" ? "{source}.{topic}" : "{topic}";
    return Flow.open(
      {
        name: `${from}/${to}`,
        topics: { include: shape.topics.map(({ name }) => pattern(name)), exclude: [] },
        naming: namingOf(template, { source: from, target: to, mirror: "sim" }),
        delivery: "exactly-once",
        start: "earliest",
        onGap: shape.onGap,
        onRecreate: shape.onRecreate,
        provenance: "local",
        ...mutation.flow,
      },
      {
        source: mutation.source?.(source) ?? source,
        target: mutation.target?.(target) ?? target,
        progress: links[to].progress,
        clock: this.clock,
        random,
        logger,
        companyOf: (lane) => companyOf(lane, this.#laneIndex()),
        hooks: { mergeAckMs: shape.mergeAckMs, ...mutation.hooks },
      },
    );
  }

  /** As the worker of the runtime does: looked up once per round. */
  #laneIndex(): LaneIndex {
    const atMs = this.clock.monotonicMs();
    if (this.#index === undefined || atMs - this.#index.atMs > GROUP_SYNC_MS) {
      // Set before the walk: the flows' directories ask for company themselves.
      this.#index = { lanes: this.#index?.lanes ?? NO_LANES, atMs };
      this.#index = { lanes: indexLanes(this.#flows.map(({ flow }) => flow)), atMs };
    }
    return this.#index.lanes;
  }

  #syncGroups(
    { from, to, flow }: RunningFlow,
    links: Readonly<Record<RegionName, Link>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { logger, marks } = this.#deps;
    return runGroupSync(
      { matches: (group) => group.startsWith(`${from}-`), intervalMs: GROUP_SYNC_MS },
      {
        source: links[from].groups,
        target: links[to].groups,
        targetLogs: links[to].groups,
        lanes: flow.directory,
        clock: this.clock,
        logger,
      },
      { signal, onReport: (report) => markGroups(report, marks) },
    );
  }
}

function markGroups({ entries }: GroupSyncReport, marks: Marks): void {
  const written = entries.filter((entry) => entry.written);
  marks.hit("group-moved", written.length);
  marks.hit("group-clamped", written.filter((entry) => entry.kind === "clamped").length);
}

/** As the worker of the runtime does: what is left to be stored is worth no long wait. */
async function closeLinks(links: readonly Link[], clock: Clock): Promise<void> {
  for (const { progress, client } of links) {
    const stored = progress.close();
    await Promise.race([stored, sleep(clock, LAST_STORE_MS)]);
    await client.close();
    await stored;
  }
}

function pattern(text: string): Pattern {
  const compiled = compilePattern(text);
  if ("problem" in compiled) throw new Error(compiled.problem);
  return compiled;
}
