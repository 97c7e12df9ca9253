/** The cluster that a restore writes into: one client, and what is made from it when it is needed. */

import { KafkaGroups } from "../../adapters/kafka-groups.ts";
import { type KafkaProgressStore, openKafkaProgress } from "../../adapters/kafka-progress.ts";
import { KafkaTarget } from "../../adapters/kafka-target.ts";
import type { KafkaClient } from "../../client/kafka-client.ts";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { Random } from "../../core/random.ts";

/** What it stands on; the client is the caller's to close. */
export interface RestoreTargetDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** See the file's comment. */
export class RestoreTarget implements AsyncDisposable {
  readonly client: KafkaClient;
  readonly target: KafkaTarget;
  readonly groups: KafkaGroups;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  #progress: Promise<KafkaProgressStore> | undefined;

  constructor(deps: RestoreTargetDeps) {
    const { client, clock, random, logger } = deps;
    this.client = client;
    this.clock = clock;
    this.random = random;
    this.logger = logger;
    this.target = new KafkaTarget({ client, clock });
    this.groups = new KafkaGroups({ client, logger });
  }

  /** Where lanes keep how far they are, and their offset maps: topics of the cluster, made only when a partition needs them.
   *  @throws {ClientError} */
  progress(): Promise<KafkaProgressStore> {
    const { client, clock, random, logger } = this;
    this.#progress ??= openKafkaProgress({}, { client, clock, random, logger });
    return this.#progress;
  }

  /** Stores what is marked. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    const progress = await this.#progress?.catch(() => undefined);
    await progress?.close();
  }
}
