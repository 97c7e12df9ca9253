/** What Fetch and Produce answers tell about leaders, by tags (KIP-951) and by error codes, taken into the metadata. */

import { errorName } from "../wire/error-codes.ts";
import type { BrokerInfo } from "./cluster-view.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { isLeaderCode } from "./leaders.ts";

/** A partition of an answer. */
export interface LeaderNews {
  readonly topic: string;
  readonly index: number;
  readonly errorCode: number;
  readonly currentLeader: { readonly leaderId: number; readonly leaderEpoch: number };
}

/** Takes the news in. Errors about leaders start a refresh in the background, unless every one of them came with the
 *  new leader. */
export function learnLeaders(client: KafkaClient, news: readonly LeaderNews[], endpoints: readonly BrokerInfo[]): void {
  const hints = news.filter(({ currentLeader }) => currentLeader.leaderId >= 0);
  if (hints.length > 0) {
    client.metadata.learnLeaders(
      hints.map(({ topic, index, currentLeader }) => ({ topic, index, ...currentLeader })),
      endpoints,
    );
  }
  const unsure = news.find(({ errorCode, currentLeader }) => isLeaderCode(errorCode) && currentLeader.leaderId < 0);
  if (unsure !== undefined)
    client.metadata.markStale(`${errorName(unsure.errorCode)} from ${unsure.topic}-${unsure.index}`);
}
