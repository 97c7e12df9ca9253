/** Runs one flow of a topology: waits until both regions are reached, copies, and carries consumer groups over. */

import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { backoffMs } from "../core/backoff.ts";
import { sleep } from "../core/clock.ts";
import { TributaryError, toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Backfill } from "../mirror/backfill.ts";
import { Flow } from "../mirror/flow.ts";
import type { LaneNames } from "../mirror/flow-options.ts";
import { type GroupSyncReport, runGroupSync } from "../mirror/groups.ts";
import { Mm2Compat } from "../mirror/mm2/compat.ts";
import type { LaneEntry, LaneIdentity } from "../mirror/offset-ports.ts";
import type { Pace } from "../mirror/pace.ts";
import type { FlowStatus } from "../mirror/status.ts";
import { targetName } from "../topology/checks.ts";
import type { Flow as FlowDeclaration } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { type AclDuty, FlowMetadata } from "./flow-metadata.ts";
import { namesOf } from "./flow-names.ts";
import { flowName } from "./flow-selection.ts";
import type { RegionLink } from "./region-link.ts";
import { SourceEnds } from "./source-ends.ts";
import { StoredReverse } from "./stored-reverse.ts";
import { type FlowSnapshot, flowSnapshot, type GroupsSnapshot, NO_GROUPS, NO_METADATA } from "./worker-status.ts";

/** How often sources are asked for the ends of lanes that are behind: what lag means cannot change faster for a person. */
const ENDS_EVERY_MS = 1_000;

/** What a runner stands on. */
export interface FlowRunnerDeps {
  /** The link to a region, opened when needed and shared. Rejects when the region is not reached. */
  readonly link: (region: string) => Promise<RegionLink>;
  readonly companyOf: (lane: LaneIdentity) => LaneEntry["company"];
  readonly acls: AclDuty;
  /** Of the flow's mirror. */
  readonly pace: Pace;
  readonly backfill: Backfill | undefined;
  /** All flows of the topology, whoever runs them. */
  readonly declared: readonly FlowDeclaration[];
  readonly logger: Logger;
}

/** From `start` to `close`. */
export class FlowRunner implements AsyncDisposable {
  readonly declaration: FlowDeclaration;
  readonly #deps: FlowRunnerDeps;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #flow: Flow | undefined;
  #metadata: FlowMetadata | undefined;
  readonly #reverse: StoredReverse;
  #compat: Mm2Compat | undefined;
  #failure: string | null = null;
  #groups: GroupsSnapshot = NO_GROUPS;
  /** When the loop that waits for both regions last went round. */
  #roundAtMs = nodeClock().monotonicMs();
  readonly #ends = new SourceEnds();
  #isClosed = false;

  private constructor(declaration: FlowDeclaration, deps: FlowRunnerDeps) {
    this.declaration = declaration;
    this.#deps = deps;
    this.#reverse = new StoredReverse(async () => (await deps.link(declaration.source)).stored());
    this.#running = this.#run();
  }

  /** Begins at once; regions that are not there yet are waited for. */
  static start(declaration: FlowDeclaration, deps: FlowRunnerDeps): FlowRunner {
    return new FlowRunner(declaration, deps);
  }

  /** Offset maps and states of its lanes; undefined while the regions are not reached. */
  get flow(): Flow | undefined {
    return this.#flow;
  }

  get status(): FlowStatus | undefined {
    const status = this.#flow?.status;
    const besides = [...(this.#metadata?.troubles ?? []), ...(this.#compat?.troubles ?? [])];
    return status && { ...status, troubles: [...status.troubles, ...besides] };
  }

  /** What travels. */
  get snapshot(): FlowSnapshot {
    const { mirror, source, target } = this.declaration;
    const state = this.#isClosed ? "stopped" : this.#flow === undefined ? "waiting" : "running";
    const nowMs = nodeClock().monotonicMs();
    const known = {
      state,
      failure: this.#failure,
      groups: this.#groups,
      metadata: this.#metadata?.snapshot ?? NO_METADATA,
      roundAgeMs: nowMs - this.#roundAtMs,
    } as const;
    return flowSnapshot({ mirror: mirror.name, source, target, ...known }, this.status, {
      lagOf: (lane) => this.#ends.lagOf(lane, nowMs),
      isAlone: (lane) => this.#companyOf(lane.lane, lane).kind === "alone",
    });
  }

  /** Drains the lanes: less than 10 s. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopping.abort();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const flow = await this.#opened(signal);
    if (flow === undefined) return;
    this.#flow = flow;
    this.#deps.logger.info("flow runs", { flow: flowName(this.declaration) });
    const besides = [
      this.#syncGroups(flow, signal),
      this.#watchEnds(flow, signal),
      this.#reverse.run(signal),
      this.#metadata?.run(flow, signal),
      this.#compat?.run(signal),
    ];
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    await Promise.all([flow.close(), ...besides]);
  }

  /** Tries until both regions answer; tells the reason when it changes. */
  async #opened(signal: AbortSignal): Promise<Flow | undefined> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const flow = await this.#open();
        this.#failure = null;
        return flow;
      } catch (error) {
        if (!(error instanceof TributaryError)) throw error;
        if (signal.aborted) return undefined;
        const why = toError(error).message;
        if (this.#failure !== why) this.#deps.logger.warn("flow waits", { flow: flowName(this.declaration), why });
        this.#failure = why;
        this.#roundAtMs = nodeClock().monotonicMs();
        await sleep(nodeClock(), backoffMs(attempt, nodeRandom()), signal).catch(() => undefined);
      }
    }
    return undefined;
  }

  async #open(): Promise<Flow> {
    const { mirror, source, target } = this.declaration;
    const [from, to] = await Promise.all([this.#deps.link(source), this.#deps.link(target)]);
    const progress = await to.progress();
    const metadata = new FlowMetadata(this.declaration, { from, to, acls: this.#deps.acls, logger: this.#deps.logger });
    this.#metadata = metadata;
    this.#compat = this.#openCompat(from, to);
    const barred = mirror.compat && (await to.mm2Bar(source, mirror.compat.offsetsTopic));
    return Flow.open(
      {
        name: flowName(this.declaration),
        ...namesOf(this.declaration),
        delivery: mirror.delivery,
        start: mirror.start,
        onGap: mirror.onGap,
        onDivergence: mirror.onDivergence,
        onRecreate: mirror.onRecreate,
        openTransactionMs: mirror.warnOpenTransactionMs,
        provenance: mirror.provenance,
        filter: mirror.filter,
        replicationFactor: mirror.create.replicationFactor,
      },
      {
        source: from.sourceOf(flowName(this.declaration)),
        target: to.target,
        progress,
        clock: nodeClock(),
        random: nodeRandom(),
        logger: this.#deps.logger,
        pace: this.#deps.pace,
        backfill: this.#deps.backfill,
        companyOf: (lane, names) => this.#companyOf(lane, names),
        onTopicMade: metadata.onTopicMade,
        ...(barred === undefined ? {} : { barred }),
      },
    );
  }

  /** By the lanes that run here; and where none runs the other way, by what the topology says of others. */
  #companyOf(lane: LaneIdentity, names: LaneNames): LaneEntry["company"] {
    const running = this.#deps.companyOf(lane);
    if (running.kind !== "alone" || !isCarriedBack(this.declaration, names, this.#deps.declared)) return running;
    return { kind: "reverse", map: this.#reverse.of(lane) };
  }

  #openCompat(from: RegionLink, to: RegionLink): Mm2Compat | undefined {
    const { mirror, source, target } = this.declaration;
    if (mirror.compat === undefined) return undefined;
    return new Mm2Compat(
      { ...mirror.compat, aliases: { source, target } },
      {
        source: from.compactedTopics,
        target: to.compactedTopics,
        lanes: () => this.#flow?.maps ?? [],
        clock: nodeClock(),
        logger: this.#deps.logger.child({ flow: flowName(this.declaration) }),
      },
    );
  }

  async #watchEnds(flow: Flow, signal: AbortSignal): Promise<void> {
    const { source } = await this.#deps.link(this.declaration.source);
    const clock = nodeClock();
    while (!signal.aborted) {
      await this.#ends.refresh(flow.lanesBehind, source, () => clock.monotonicMs());
      await sleep(clock, ENDS_EVERY_MS, signal).catch(() => undefined);
    }
  }

  async #syncGroups(flow: Flow, signal: AbortSignal): Promise<void> {
    const { mirror, source, target } = this.declaration;
    const { groups } = mirror;
    if (groups === undefined) return;
    const [from, to] = await Promise.all([this.#deps.link(source), this.#deps.link(target)]);
    await runGroupSync(
      { matches: (group) => selects(groups.select, group), intervalMs: groups.everyMs, direction: groups.direction },
      {
        source: from.groups,
        target: to.groups,
        targetLogs: to.groups,
        sourceLogs: from.groups,
        lanes: flow.directory,
        clock: nodeClock(),
        logger: this.#deps.logger.child({ flow: flowName(this.declaration) }),
      },
      {
        signal,
        onReport: (report) => {
          this.#groups = groupsSnapshot(report, this.#groups);
          this.#compat?.noteGroups(report);
        },
      },
    );
  }
}

/** A flow the other way carries the copy back into the topic that it is a copy of. */
function isCarriedBack(
  { source, target }: FlowDeclaration,
  { sourceTopic, targetTopic }: LaneNames,
  declared: readonly FlowDeclaration[],
): boolean {
  return declared.some(
    (flow) =>
      flow.source === target &&
      flow.target === source &&
      selects(flow.mirror.topics, targetTopic) &&
      targetName(flow, targetTopic) === sourceTopic,
  );
}

/** Why a group's position cannot be told or kept on the target, other than because it is there or has moved on already. */
const FAILED: ReadonlySet<string> = new Set([
  "refused",
  "expired",
  "target-shared",
  "reverse-map-unknown",
  "target-bounds-unknown",
  "beyond-target-end",
]);

function groupsSnapshot({ entries, back }: GroupSyncReport, before: GroupsSnapshot): GroupsSnapshot {
  const writtenAs = (kind: string): number => entries.filter((entry) => entry.written && entry.kind === kind).length;
  const failed = entries.filter(({ written, reason = "" }) => !written && FAILED.has(reason)).length;
  return {
    synced: new Set(entries.map((entry) => entry.group)).size,
    written: before.written + entries.filter((entry) => entry.written).length,
    writtenBack: before.writtenBack + back.filter((entry) => entry.written).length,
    clamped: entries.filter((entry) => entry.kind === "clamped").length,
    refused: entries.filter((entry) => entry.reason === "refused").length,
    translations: {
      exact: before.translations.exact + writtenAs("exact"),
      clamped: before.translations.clamped + writtenAs("clamped"),
      failed: before.translations.failed + failed,
    },
    atMs: nodeClock().nowMs(),
  };
}
