/** The upkeep of one tiering rule's archive, done now and then between passes of the offloader: retention, gc and scrubbing. */

import type { Clock } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { scrub } from "../tier/scrub.ts";
import { keepUp, type LocalLogs, type UpkeepPolicy } from "../tier/upkeep.ts";
import type { Finding } from "../tier/verify-segment.ts";

/** Retention is in days, and each look costs a list of the store. */
const EVERY_MS = 10 * 60_000;
/** Every manifest is kept for its grace period and names all segments, so gc keeps them from growing with the square of these. */
const COLLECT_EVERY_MS = 6 * 3_600_000;
const DAY_MS = 86_400_000;
/** Told in the status; more of them say nothing new. */
const FINDINGS_MAX = 100;

/** What a rule wants of its archive. */
export interface UpkeepSpec extends UpkeepPolicy {
  /** Bytes read and checked in a day; undefined: none. */
  readonly scrubBytesPerDay?: number | undefined;
}

/** What it works with. */
export interface TierUpkeepDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly wants: (topic: string) => boolean;
}

/** What was done since the start of the process. */
export interface UpkeepStatus {
  readonly store: string;
  readonly segmentsRemoved: number;
  /** Of these, those of topics that the cluster no longer has. */
  readonly segmentsOfDeletedTopics: number;
  readonly objectsCollected: number;
  readonly unfinishedCollected: number;
  readonly scrub: {
    readonly rounds: number;
    readonly segments: number;
    readonly bytes: number;
    /** Of the round under way and the one before it. */
    readonly findings: readonly Finding[];
    /** Those of all rounds, each counted when it was met first. */
    readonly found: number;
  };
  /** What the last run met, when it failed. */
  readonly failure: string | undefined;
}

/** Of one rule. */
export class TierUpkeep {
  readonly #spec: UpkeepSpec;
  readonly #deps: TierUpkeepDeps;
  #lastMs: number | undefined;
  #collectedMs: number | undefined;
  /** Bytes that may be read; below zero after a large segment. */
  #allowance = 0;
  #findings: Finding[] = [];
  #before: readonly Finding[] = [];
  readonly #status = {
    ...{ segmentsRemoved: 0, segmentsOfDeletedTopics: 0, objectsCollected: 0, unfinishedCollected: 0 },
    ...{ rounds: 0, segments: 0, bytes: 0, found: 0 },
  };
  #failure: string | undefined;

  constructor(spec: UpkeepSpec, deps: TierUpkeepDeps) {
    this.#spec = spec;
    this.#deps = deps;
  }

  get status(): UpkeepStatus {
    const { rounds, segments, bytes, found, ...removed } = this.#status;
    const findings = [...this.#findings, ...this.#before].slice(0, FINDINGS_MAX);
    const { location: store } = this.#deps.store;
    return {
      store,
      ...removed,
      scrub: { rounds, segments, bytes, findings, found },
      failure: this.#failure,
    };
  }

  /** Does what is due. A failure is told in the status and once in the log; the next time tries again. */
  async runIfDue(logs: LocalLogs): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#lastMs !== undefined && nowMs - this.#lastMs < EVERY_MS) return;
    const sinceMs = nowMs - (this.#lastMs ?? nowMs - EVERY_MS);
    this.#lastMs = nowMs;
    try {
      await this.#keepUp(logs, nowMs);
      await this.#scrub(sinceMs);
      this.#failure = undefined;
    } catch (error) {
      const cause = toError(error).message;
      if (cause !== this.#failure)
        this.#deps.logger.warn("upkeep of the archive fails and is tried again", {
          store: this.#deps.store.location,
          cause,
        });
      this.#failure = cause;
    }
  }

  async #keepUp(logs: LocalLogs, nowMs: number): Promise<void> {
    const { store, clock, logger, wants } = this.#deps;
    const collects = this.#collectedMs === undefined || nowMs - this.#collectedMs >= COLLECT_EVERY_MS;
    const report = await keepUp(this.#spec, wants, { store, clock, logs, collects });
    if (collects) this.#collectedMs = nowMs;
    this.#status.segmentsRemoved += report.segmentsRemoved;
    this.#status.segmentsOfDeletedTopics += report.segmentsOfDeletedTopics;
    this.#status.objectsCollected += report.objectsCollected;
    this.#status.unfinishedCollected += report.unfinishedCollected;
    if (report.segmentsRemoved > 0)
      logger.info("took segments out of the archive", { store: store.location, segments: report.segmentsRemoved });
    const [blockedBy] = report.blockedBy;
    if (blockedBy !== undefined) throw new Error(`${blockedBy} cannot be read; run tributary tier repair`);
  }

  async #scrub(sinceMs: number): Promise<void> {
    const { scrubBytesPerDay } = this.#spec;
    if (scrubBytesPerDay === undefined) return;
    this.#allowance = Math.min(scrubBytesPerDay, this.#allowance + (scrubBytesPerDay * sinceMs) / DAY_MS);
    if (this.#allowance <= 0) return;
    const { store, clock, logger } = this.#deps;
    const report = await scrub(store, { bytesMax: this.#allowance, nowMs: clock.nowMs() });
    this.#allowance -= report.bytes;
    this.#status.segments += report.segments;
    this.#status.bytes += report.bytes;
    for (const finding of report.findings) {
      if ([...this.#findings, ...this.#before].some(({ key, kind }) => key === finding.key && kind === finding.kind))
        continue;
      this.#status.found++;
      logger.warn("archive is damaged", { store: store.location, ...finding });
    }
    this.#findings.push(...report.findings.slice(0, FINDINGS_MAX - this.#findings.length));
    if (!report.isRoundOver) return;
    this.#status.rounds++;
    [this.#before, this.#findings] = [this.#findings, []];
  }
}
