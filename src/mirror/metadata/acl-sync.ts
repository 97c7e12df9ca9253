/** Carries access rules about topics and groups over from one cluster to another: a round every few seconds over all mirrors between the two, which
 *  adds what is missing and removes what was made for a rule that the source no longer has. */

import { type Clock, sleep } from "../../core/clock.ts";
import { toError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { type Acl, type AclChanges, aclChanges, aclText } from "../../topology/acls.ts";
import { isMadeAcl, type MadeAcl, type MadeRecord, recordedAcls } from "../../topology/made.ts";
import type { TopicTrouble } from "../status.ts";
import type { MadeStore } from "./made-store.ts";

/** A rule of the source is one of the target this soon. */
const DEFAULT_ACLS_EVERY_MS = 5_000;
/** After a failure as many rounds are left out as for settings: at most this many, five minutes. */
const REST_ROUNDS_MAX = 60;
/** Rules named in one line of the log; the rest is counted. */
const TOLD_MAX = 10;

/** What the sync needs of a cluster. */
export interface AclReader {
  /** All rules about topics and groups; undefined when the cluster has no authorizer. Rejects when it does not answer, or refuses. */
  acls(): Promise<readonly Acl[] | undefined>;
}

/** The cluster that is changed; both calls are harmless to repeat, and may have done a part when they reject. */
export interface AclWriter extends AclReader {
  add(acls: readonly Acl[]): Promise<void>;
  remove(acls: readonly Acl[]): Promise<void>;
}

/** Whose rules. */
export interface AclSyncOptions {
  /** The topology's name: two topologies over one target do not take each other's rules away. */
  readonly topology: string;
  readonly sourceClusterId: string;
  readonly everyMs?: number;
}

/** What the sync works with. */
export interface AclSyncDeps {
  readonly source: AclReader;
  readonly target: AclWriter;
  readonly made: MadeStore;
  /** What mirrors have made on the source; undefined when none ends there. */
  readonly madeOnSource: Pick<MadeStore, "list"> | undefined;
  /** The rules wanted for those of the source, over all mirrors between the two. `ours` are the source's rules that mirrors made. */
  readonly wanted: (source: readonly Acl[], ours: readonly MadeAcl[]) => Promise<readonly Acl[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How far the rules follow. */
export interface AclsStatus {
  /** Rules that the target should have; undefined before the first round that went well. */
  readonly wanted: number | undefined;
  /** By this worker. */
  readonly added: number;
  readonly removed: number;
}

/** Works from `run` until its signal. */
export class AclSync {
  readonly #options: AclSyncOptions;
  readonly #deps: AclSyncDeps;
  #wanted: number | undefined;
  #added = 0;
  #removed = 0;
  #trouble: string | undefined;
  #failures = 0;
  #restRounds = 0;

  constructor(options: AclSyncOptions, deps: AclSyncDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  get status(): AclsStatus {
    return { wanted: this.#wanted, added: this.#added, removed: this.#removed };
  }

  /** Why the rules are not the source's now. */
  get troubles(): readonly TopicTrouble[] {
    return this.#trouble === undefined
      ? []
      : [{ sourceTopic: "*", targetTopic: "*", about: "acls", why: this.#trouble }];
  }

  /** Goes round until the signal; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#restRounds > 0) this.#restRounds--;
      else await this.round();
      const everyMs = this.#options.everyMs ?? DEFAULT_ACLS_EVERY_MS;
      await sleep(this.#deps.clock, everyMs, signal).catch(() => undefined);
    }
  }

  /** One round; never rejects. */
  async round(): Promise<void> {
    const why = await this.#align().catch((error: unknown) => toError(error).message);
    const trouble = why === undefined ? undefined : `access rules are not carried over: ${why}`;
    if (trouble !== this.#trouble) {
      if (trouble === undefined) this.#deps.logger.info("access rules are carried over again");
      else this.#deps.logger.warn("access rules not carried over", { why });
    }
    this.#trouble = trouble;
    this.#failures = why === undefined ? 0 : this.#failures + 1;
    this.#restRounds = why === undefined ? 0 : Math.min(2 ** this.#failures, REST_ROUNDS_MAX);
  }

  /** What keeps it from being done, when the target has no authorizer. */
  async #align(): Promise<string | undefined> {
    const { source, target, made, madeOnSource } = this.#deps;
    const none: readonly MadeRecord[] = [];
    const foreign = madeOnSource?.list() ?? Promise.resolve(none);
    const [there, here, records, onSource] = await Promise.all([source.acls(), target.acls(), made.list(), foreign]);
    // Nothing to carry then, and nothing to remove: an authorizer that was switched off has not revoked anything.
    if (there === undefined) return undefined;
    if (here === undefined) return "the target has no authorizer to follow the source's";
    const wanted = await this.#deps.wanted(there, onSource.filter(isMadeAcl));
    const recorded = recordedAcls(records.filter(isMadeAcl), this.#options);
    await this.#change(aclChanges({ wanted, target: here, ...recorded }));
    this.#wanted = wanted.length;
    return undefined;
  }

  /** Recorded first, then added; removed first, then forgotten: no rule is ever there that nobody would take back. */
  async #change({ add, claim, remove, forget }: AclChanges): Promise<void> {
    const { target, made, logger } = this.#deps;
    const { topology, sourceClusterId } = this.#options;
    const recordOf = (acl: Acl): MadeAcl => ({ kind: "acl", topology, sourceClusterId, acl });
    await made.put([...add, ...claim].map(recordOf));
    if (add.length > 0) {
      await target.add(add);
      this.#added += add.length;
      logger.info("access rules added", toldOf(add));
    }
    if (remove.length > 0) {
      await target.remove(remove);
      this.#removed += remove.length;
      logger.info("access rules removed", toldOf(remove));
    }
    await made.remove([...remove, ...forget].map(recordOf));
  }
}

function toldOf(acls: readonly Acl[]) {
  return { count: acls.length, rules: acls.slice(0, TOLD_MAX).map(aclText).join(", ") };
}
