/** IncrementalAlterConfigs v0-1: sets, removes, or edits single entries of a topic, or of all brokers at once. */

import type { RequestOutput } from "../../wire/api.ts";
import { CONFIG_OPERATIONS, incrementalAlterConfigs } from "../../wire/apis/44-incremental-alter-configs.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { brokerConfig } from "../configs/broker-configs.ts";
import type { ConfigDefinition } from "../configs/definition.ts";
import {
  brokerValue,
  type ConfigValues,
  checkBrokerConfig,
  checkTopicConfig,
  resolveTopic,
} from "../configs/resolver.ts";
import { RESOURCE_TYPES, requestedBroker } from "../configs/resources.ts";
import { topicConfig } from "../configs/topic-configs.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { requestedTopic } from "../partition-lookup.ts";

type Resource = RequestOutput<typeof incrementalAlterConfigs>["resources"][number];
type Change = Resource["configs"][number];

const { set: SET, delete: DELETE, append: APPEND, subtract: SUBTRACT } = CONFIG_OPERATIONS;

export const incrementalAlterConfigsHandler = defineHandler(incrementalAlterConfigs, (request, context) => ({
  throttleMs: 0,
  resources: request.resources.map((resource) => {
    const { resourceType, resourceName } = resource;
    try {
      alter(resource, request.validateOnly, context);
      return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { errorCode: error.errorCode, errorMessage: error.reason, resourceType, resourceName };
    }
  }),
}));

function alter(
  { resourceType, resourceName, configs }: Resource,
  validateOnly: boolean,
  { cluster }: RequestContext,
): void {
  const names = configs.map(({ name }) => name);
  if (new Set(names).size !== names.length)
    throw refusal(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys");
  if (resourceType === RESOURCE_TYPES.topic) {
    const topic = requestedTopic(cluster, { name: resourceName });
    const effective = new Map(
      resolveTopic(topic.configs, cluster.layers).map((entry) => [entry.definition.name, entry.value]),
    );
    const next = changed(topic.configs, configs, {
      definition: topicConfig,
      effective: (name) => effective.get(name) ?? "",
      check: checkTopicConfig,
    });
    if (!validateOnly) cluster.setTopicConfigs(topic, next);
    return;
  }
  if (resourceType !== RESOURCE_TYPES.broker)
    throw refusal(ErrorCode.INVALID_REQUEST, `Unsupported resource type: ${resourceType}`);
  if (requestedBroker(cluster, resourceName) !== undefined)
    throw refusal(ErrorCode.INVALID_REQUEST, "Only the default of all brokers (an empty name) can be changed");
  for (const name of names) {
    if (brokerConfig(name)?.dynamic === false)
      throw refusal(ErrorCode.INVALID_REQUEST, `Cannot update these configs dynamically: ${name}`);
  }
  const next = changed(cluster.brokerConfigs, configs, {
    definition: brokerConfig,
    effective: (name) => brokerValue(name, cluster.layers),
    check: checkBrokerConfig,
  });
  if (!validateOnly) cluster.setBrokerConfigs(next);
}

interface ChangeRules {
  readonly definition: (name: string) => ConfigDefinition | undefined;
  readonly effective: (name: string) => string;
  /** @throws {Refusal} INVALID_CONFIG */
  readonly check: (name: string, value: string | null) => void;
}

function changed(before: ConfigValues, changes: readonly Change[], rules: ChangeRules): ConfigValues {
  const next: Record<string, string> = { ...before };
  for (const change of changes) {
    const { name } = change;
    const value = changedValue(change, rules);
    if (value === undefined) delete next[name];
    else {
      rules.check(name, value);
      next[name] = (value ?? "").trim();
    }
  }
  return next;
}

/** The value to set; undefined removes the entry. */
function changedValue({ name, configOperation, value }: Change, rules: ChangeRules): string | null | undefined {
  switch (configOperation) {
    case SET:
      return value;
    case DELETE:
      rules.check(name, rules.definition(name)?.defaultValue ?? null);
      return undefined;
    case APPEND:
    case SUBTRACT: {
      const definition = rules.definition(name);
      if (definition !== undefined && definition.type !== "list")
        throw refusal(
          ErrorCode.INVALID_CONFIG,
          `Can't ${configOperation === APPEND ? "APPEND" : "SUBTRACT"} to key ${name} because its type is not LIST.`,
        );
      const items = rules
        .effective(name)
        .split(",")
        .filter((item) => item !== "");
      const named = (value ?? "").split(",").map((item) => item.trim());
      const kept = items.filter((item) => !named.includes(item));
      return (configOperation === APPEND ? [...kept, ...named] : kept).join(",");
    }
    default:
      throw refusal(ErrorCode.INVALID_REQUEST, `Unknown config operation ${configOperation}`);
  }
}
