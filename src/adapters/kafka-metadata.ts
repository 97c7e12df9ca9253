/** Settings of topics over a Kafka client, as the mirror's sync reads and changes them. */

import { alterConfigs, type ConfigEntry, describeConfigs } from "../client/configs.ts";
import { brokerError } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { SettingsWriter } from "../mirror/metadata/settings-sync.ts";
import type { SettingChange, TopicSettings } from "../topology/topic-settings.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** Topics per request: an answer of some ten settings each stays far below a megabyte. */
const TOPICS_MAX = 200;
/** For one question or one change. */
const CALL_TIMEOUT_MS = 5_000;

/** The client is opened and closed by the caller. */
export class KafkaSettings implements SettingsWriter {
  readonly #client: KafkaClient;

  constructor(deps: { readonly client: KafkaClient }) {
    this.#client = deps.client;
  }

  async settings(
    topics: readonly string[],
    names: readonly string[],
  ): Promise<ReadonlyMap<string, TopicSettings | Error>> {
    const found = new Map<string, TopicSettings | Error>();
    for (let at = 0; at < topics.length; at += TOPICS_MAX) {
      const resources = topics.slice(at, at + TOPICS_MAX).map((name) => ({ type: "topic", name }) as const);
      const described = await describeConfigs(this.#client, resources, { keys: names, timeoutMs: CALL_TIMEOUT_MS });
      for (const { name, errorCode, errorMessage: message, entries } of described) {
        if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) continue;
        const isRefused = errorCode !== ErrorCode.NONE;
        found.set(
          name,
          isRefused ? brokerError("DescribeConfigs", errorCode, { subject: name, message }) : own(entries),
        );
      }
    }
    return found;
  }

  async change(topic: string, changes: readonly SettingChange[]): Promise<void> {
    await alterConfigs(
      this.#client,
      { type: "topic", name: topic },
      { changes: changes.map(({ name, to }) => ({ name, value: to })), timeoutMs: CALL_TIMEOUT_MS },
    );
  }
}

function own(entries: ReadonlyMap<string, ConfigEntry>): TopicSettings {
  const made = [...entries.values()].filter(({ source, value }) => source === "topic" && value !== null);
  return new Map(made.map(({ name, value }) => [name, value ?? ""]));
}
