/** Settings of topics and brokers: read them, change single ones; and the cluster's description. */

import type { ResponseOutput } from "../wire/api.ts";
import { describeConfigs as describeConfigsApi } from "../wire/apis/32-describe-configs.ts";
import {
  incrementalAlterConfigs as alterConfigsApi,
  CONFIG_OPERATIONS,
} from "../wire/apis/44-incremental-alter-configs.ts";
import { describeCluster as describeClusterApi } from "../wire/apis/60-describe-cluster.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { BrokerInfo } from "./cluster-view.ts";
import { brokerError, ClientError, hadNoEffect, mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";

/** What has settings; an empty broker name means the defaults of the whole cluster. */
export interface ConfigResource {
  readonly type: "topic" | "broker";
  /** A topic's name, or a broker's id as text. */
  readonly name: string;
}

const RESOURCE_TYPES: Readonly<Record<ConfigResource["type"], number>> = { topic: 2, broker: 4 };

/** Where a value comes from, by the wire's numbers 1 to 6. */
const SOURCES = ["unknown", "topic", "broker", "cluster", "static", "default", "logger"] as const;

/** One setting. */
export interface ConfigEntry {
  readonly name: string;
  /** Null when sensitive. */
  readonly value: string | null;
  readonly source: (typeof SOURCES)[number];
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
}

/** The settings of one resource. */
export interface ConfigDescription extends ConfigResource {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly entries: ReadonlyMap<string, ConfigEntry>;
}

/** One description for each resource, in their order; only the settings in `keys` when given. */
export async function describeConfigs(
  client: KafkaClient,
  resources: readonly ConfigResource[],
  options: CallOptions & { readonly keys?: readonly string[] | undefined } = {},
): Promise<readonly ConfigDescription[]> {
  const groups = await Promise.all(
    [...Map.groupBy(resources, targetOf)].map(async ([target, asked]) => {
      const answer = await client.retry(options, mayRetry, () =>
        client.request(
          target,
          describeConfigsApi,
          {
            resources: asked.map(({ type, name }) => ({
              resourceType: RESOURCE_TYPES[type],
              resourceName: name,
              configurationKeys: options.keys ?? null,
            })),
            includeSynonyms: false,
          },
          { signal: options.signal },
        ),
      );
      const told = new Map(answer.results.map((result) => [`${result.resourceType}/${result.resourceName}`, result]));
      return asked.map((resource) => description(resource, told.get(keyOf(resource))));
    }),
  );
  const found = new Map(groups.flat().map((one) => [keyOf(one), one]));
  return resources.map((resource) => found.get(keyOf(resource)) ?? description(resource, undefined));
}

/** A change of one setting; a null value goes back to the default. */
export interface ConfigChange {
  readonly name: string;
  readonly value: string | null;
}

/** Changes single settings of one resource and leaves the others alone.
 *  @throws {ClientError} `CLIENT_BROKER_ERROR` when refused */
export async function alterConfigs(
  client: KafkaClient,
  resource: ConfigResource,
  options: CallOptions & { readonly changes: readonly ConfigChange[]; readonly validateOnly?: boolean | undefined },
): Promise<void> {
  const { changes, validateOnly = false, signal } = options;
  const body = {
    resources: [
      {
        resourceType: RESOURCE_TYPES[resource.type],
        resourceName: resource.name,
        configs: changes.map(({ name, value }) => {
          return { name, value, configOperation: value === null ? CONFIG_OPERATIONS.delete : CONFIG_OPERATIONS.set };
        }),
      },
    ],
    validateOnly,
  };
  const target = targetOf(resource);
  const isHarmless = (error: unknown): boolean => mayRetry(error) && hadNoEffect(error);
  const answer = await client.retry(options, isHarmless, () =>
    client.request(target === "any" ? "controller" : target, alterConfigsApi, body, { signal }),
  );
  const refused = answer.resources.find(({ errorCode }) => errorCode !== ErrorCode.NONE);
  if (refused === undefined) return;
  const { errorCode, errorMessage: message } = refused;
  throw brokerError(alterConfigsApi.name, errorCode, { subject: `${resource.type} ${resource.name}`, message });
}

/** The cluster as it describes itself. */
export interface ClusterDescription {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly brokers: readonly BrokerInfo[];
}

/** Asks any broker; from brokers before Kafka 2.8 the metadata tells the same. */
export async function describeCluster(client: KafkaClient, options: CallOptions = {}): Promise<ClusterDescription> {
  try {
    return await client.retry(options, mayRetry, async () => {
      const body = { includeClusterAuthorizedOperations: false };
      const answer = await client.request("any", describeClusterApi, body, { signal: options.signal });
      if (answer.errorCode !== ErrorCode.NONE)
        throw brokerError(describeClusterApi.name, answer.errorCode, {
          subject: "the cluster",
          message: answer.errorMessage,
        });
      const brokers = answer.brokers.map(({ brokerId: nodeId, host, port, rack }) => ({ nodeId, host, port, rack }));
      return { clusterId: answer.clusterId, controllerId: answer.controllerId, brokers };
    });
  } catch (thrown) {
    if (!(thrown instanceof ClientError && thrown.fault.code === "CLIENT_NO_VERSION")) throw thrown;
    await client.metadata.refresh("cluster described", { signal: options.signal });
    const { clusterId, controllerId, brokers } = client.metadata;
    return { clusterId: clusterId ?? "", controllerId, brokers: [...brokers.values()] };
  }
}

type ConfigsAnswer = ResponseOutput<typeof describeConfigsApi>["results"][number];

function description(resource: ConfigResource, answer: ConfigsAnswer | undefined): ConfigDescription {
  if (answer === undefined)
    return { ...resource, errorCode: ErrorCode.UNKNOWN, errorMessage: "the answer leaves it out", entries: new Map() };
  const entries = answer.configs.map(({ name, value, readOnly, configSource, isSensitive }): [string, ConfigEntry] => [
    name,
    { name, value, source: SOURCES[configSource] ?? "unknown", isReadOnly: readOnly, isSensitive },
  ]);
  const { errorCode, errorMessage } = answer;
  return { ...resource, errorCode, errorMessage, entries: new Map(entries) };
}

function keyOf({ type, name }: ConfigResource): string {
  return `${RESOURCE_TYPES[type]}/${name}`;
}

/** A broker's own settings are known to that broker only. */
function targetOf({ type, name }: ConfigResource): number | "any" {
  return type === "broker" && name !== "" ? Number(name) : "any";
}
