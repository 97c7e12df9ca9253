/** DescribeConfigs v1-4: the entries of topics and brokers with their sources. */

import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { describeConfigs } from "../../wire/apis/32-describe-configs.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { CONFIG_TYPES } from "../configs/definition.ts";
import { type BrokerLayers, type ResolvedConfig, resolveBroker, resolveTopic } from "../configs/resolver.ts";
import { RESOURCE_TYPES, requestedBroker } from "../configs/resources.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { requestedTopic } from "../partition-lookup.ts";
import { checkTopicName } from "../topic-names.ts";

type Request = RequestOutput<typeof describeConfigs>;
type Resource = Request["resources"][number];
type Config = ResponseInput<typeof describeConfigs>["results"][number]["configs"][number];

export const describeConfigsHandler = defineHandler(describeConfigs, (request, context) => ({
  throttleMs: 0,
  results: request.resources.map((resource) => {
    const { resourceType, resourceName } = resource;
    try {
      const configs = entries(resource, context)
        .filter(({ definition }) => resource.configurationKeys?.includes(definition.name) ?? true)
        .map((entry) => described(entry, request));
      return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName, configs };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { errorCode, reason } = error;
      return { errorCode, errorMessage: reason, resourceType, resourceName, configs: [] };
    }
  }),
}));

function entries({ resourceType, resourceName }: Resource, { cluster }: RequestContext): readonly ResolvedConfig[] {
  if (resourceType === RESOURCE_TYPES.topic) {
    checkTopicName(resourceName);
    return resolveTopic(requestedTopic(cluster, { name: resourceName }).configs, cluster.layers);
  }
  if (resourceType !== RESOURCE_TYPES.broker)
    throw refusal(ErrorCode.INVALID_REQUEST, `Unsupported resource type: ${resourceType}`);
  const node = requestedBroker(cluster, resourceName);
  if (node === undefined) {
    // The cluster-wide default shows what was set on it, nothing else.
    return resolveBroker({ dynamic: cluster.brokerConfigs, fixed: {} }).filter(
      ({ definition }) => cluster.brokerConfigs[definition.name] !== undefined,
    );
  }
  const address = `PLAINTEXT://${node.endpoint.host}:${node.endpoint.port}`;
  const own = {
    "broker.id": `${node.id}`,
    "node.id": `${node.id}`,
    listeners: address,
    "advertised.listeners": address,
  };
  const layers: BrokerLayers = { ...cluster.layers, fixed: { ...cluster.layers.fixed, ...own } };
  return resolveBroker(layers);
}

function described(entry: ResolvedConfig, request: Request): Config {
  const { definition, value, source, synonyms } = entry;
  return {
    name: definition.name,
    value,
    readOnly: !definition.dynamic,
    configSource: source,
    isSensitive: false,
    synonyms: request.includeSynonyms ? synonyms : [],
    configType: CONFIG_TYPES[definition.type],
    documentation: request.includeDocumentation ? definition.documentation : null,
  };
}
