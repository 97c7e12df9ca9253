/** The value of an entry, from the most specific layer that sets it: topic, cluster-wide dynamic, region start, default. */

import { ErrorCode } from "../../wire/error-codes.ts";
import { refusal } from "../errors.ts";
import { BROKER_CONFIGS, brokerConfig } from "./broker-configs.ts";
import type { ConfigDefinition } from "./definition.ts";
import { TOPIC_CONFIGS, topicConfig } from "./topic-configs.ts";

/** Values by entry name. */
export type ConfigValues = Readonly<Record<string, string>>;

/** Where a value came from, with the numbers of DescribeConfigs (`ConfigSource`). */
const CONFIG_SOURCES = { topic: 1, dynamicBroker: 2, dynamicDefault: 3, static: 4, default: 5 } as const;

/** One layer that sets the entry. */
export interface ConfigSynonym {
  readonly name: string;
  readonly value: string;
  readonly source: number;
}

/** A resolved entry; `synonyms` lists all layers that set it, the effective one first. */
export interface ResolvedConfig {
  readonly definition: ConfigDefinition;
  readonly value: string;
  readonly source: number;
  readonly synonyms: readonly ConfigSynonym[];
}

/** The layers below a topic's own entries. */
export interface BrokerLayers {
  /** Set while running, for all brokers. */
  readonly dynamic: ConfigValues;
  /** Given when the region was opened. */
  readonly fixed: ConfigValues;
}

/** All entries of a topic. */
export function resolveTopic(own: ConfigValues, layers: BrokerLayers): readonly ResolvedConfig[] {
  return TOPIC_CONFIGS.map((definition) => {
    const synonyms = brokerSynonyms(definition.brokerName, layers);
    const value = own[definition.name];
    if (value !== undefined) synonyms.unshift({ name: definition.name, value, source: CONFIG_SOURCES.topic });
    return resolved(definition, synonyms);
  });
}

/** All entries of a broker. */
export function resolveBroker(layers: BrokerLayers): readonly ResolvedConfig[] {
  return BROKER_CONFIGS.map((definition) => resolved(definition, brokerSynonyms(definition.name, layers)));
}

/** The effective value of one broker entry. */
export function brokerValue(name: string, layers: BrokerLayers): string {
  return layers.dynamic[name] ?? layers.fixed[name] ?? brokerConfig(name)?.defaultValue ?? "";
}

/** Checks one topic entry. @throws {Refusal} INVALID_CONFIG */
export function checkTopicConfig(name: string, value: string | null): void {
  checkValue(topicConfig(name), name, value);
}

/** Checks one broker entry. @throws {Refusal} INVALID_CONFIG */
export function checkBrokerConfig(name: string, value: string | null): void {
  checkValue(brokerConfig(name), name, value);
}

function checkValue(definition: ConfigDefinition | undefined, name: string, value: string | null): void {
  if (definition === undefined) throw refusal(ErrorCode.INVALID_CONFIG, `Unknown config name: ${name}`);
  if (value === null) throw refusal(ErrorCode.INVALID_CONFIG, `Null value not supported for config: ${name}`);
  const problem = definition.check(value.trim());
  if (problem !== undefined) throw refusal(ErrorCode.INVALID_CONFIG, `Invalid value for ${name}: ${problem}`);
}

function brokerSynonyms(name: string | undefined, layers: BrokerLayers): ConfigSynonym[] {
  if (name === undefined) return [];
  const synonyms: ConfigSynonym[] = [];
  const dynamic = layers.dynamic[name];
  if (dynamic !== undefined) synonyms.push({ name, value: dynamic, source: CONFIG_SOURCES.dynamicDefault });
  const fixed = layers.fixed[name];
  if (fixed !== undefined) synonyms.push({ name, value: fixed, source: fixedSource(name) });
  const defaultValue = brokerConfig(name)?.defaultValue;
  if (defaultValue !== undefined) synonyms.push({ name, value: defaultValue, source: CONFIG_SOURCES.default });
  return synonyms;
}

/** A cluster with eligible leader replicas keeps this one as a dynamic entry of all brokers (KIP-966). */
function fixedSource(name: string): number {
  return name === "min.insync.replicas" ? CONFIG_SOURCES.dynamicDefault : CONFIG_SOURCES.static;
}

function resolved(definition: ConfigDefinition, synonyms: readonly ConfigSynonym[]): ResolvedConfig {
  const first = synonyms[0];
  return {
    definition,
    value: first?.value ?? definition.defaultValue,
    source: first?.source ?? CONFIG_SOURCES.default,
    synonyms,
  };
}
