/** Reads MirrorMaker 2's connectors as Kafka Connect's REST interface takes and gives them: one connector, a list, or the answer of
 *  `GET /connectors?expand=info`. */

import {
  addressesOf,
  checkedAlias,
  importError,
  type Mm2Cluster,
  type Mm2Configuration,
  type Mm2Flow,
  type Settings,
} from "./mm2-configuration.ts";

/** As in the configuration that Kafka ships for a Connect cluster; a connector does not know them. */
const CONNECT_DEFAULTS = { offsetsTopic: "connect-offsets", group: "connect-cluster", isGuess: true } as const;

const CONNECTORS = /\.Mirror(Source|Checkpoint|Heartbeat)Connector$/;
/** Of the connector itself. */
const OWN = /^(name|connector\.class)$/;

/** Reads a text that is JSON. Heartbeat connectors count only beside others: by themselves they copy nothing.
 *  @throws {ImportError} when it holds none of MirrorMaker's connectors, or one that names no clusters */
export function readConnectors(file: string, text: string, name: string): Mm2Configuration {
  const configs = configsIn(parsed(file, text)).filter((config) =>
    CONNECTORS.test(config.get("connector.class") ?? ""),
  );
  const copying = configs.filter((config) => !config.get("connector.class")?.includes("Heartbeat"));
  if (copying.length === 0) throw importError(file, "has no connector of MirrorMaker 2 (MirrorSourceConnector)");
  const clusters = new Map<string, Mm2Cluster>();
  for (const config of copying)
    for (const side of ["source", "target"] as const) {
      const cluster = clusterOf(file, config, side);
      clusters.set(cluster.alias, cluster);
    }
  const flows = [...Map.groupBy(copying, flowKey).values()].map(flowOf);
  return { name, clusters: [...clusters.values()], flows, shared: new Map(), connect: CONNECT_DEFAULTS };
}

/** The connectors of one direction as one flow; without one for checkpoints, groups are not carried over. */
function flowOf(connectors: readonly Settings[]): Mm2Flow {
  const own = new Map(connectors.flatMap((config) => [...ownSettings(config)]));
  if (!connectors.some(isCheckpoints)) own.set("emit.checkpoints.enabled", "false");
  const end = (side: string): string => connectors[0]?.get(`${side}.cluster.alias`) ?? "";
  return { source: end("source"), target: end("target"), enabled: true, own };
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw importError(file, `is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Every map in the text that has a `connector.class`, at whatever depth REST puts it. */
function configsIn(value: unknown): readonly Settings[] {
  if (Array.isArray(value)) return value.flatMap(configsIn);
  if (typeof value !== "object" || value === null) return [];
  if ("connector.class" in value)
    return [new Map(Object.entries(value).map(([key, setting]) => [key, String(setting)]))];
  return Object.values(value).flatMap(configsIn);
}

function clusterOf(file: string, config: Settings, side: "source" | "target"): Mm2Cluster {
  const prefix = `${side}.cluster.`;
  const settings = new Map([...config].flatMap(([key, value]) => under(prefix, key, value)));
  const alias = checkedAlias(file, settings.get("alias") ?? "");
  const servers = settings.get("bootstrap.servers");
  if (servers === undefined) throw importError(file, `cluster "${alias}" has no ${prefix}bootstrap.servers; add them`);
  for (const key of ["alias", "bootstrap.servers"]) settings.delete(key);
  return { alias, bootstrap: addressesOf(servers), settings };
}

function under(prefix: string, key: string, value: string): readonly (readonly [string, string])[] {
  return key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [];
}

function ownSettings(config: Settings): Settings {
  return new Map([...config].filter(([key]) => !OWN.test(key) && !/^(source|target)\.cluster\./.test(key)));
}

function isCheckpoints(config: Settings): boolean {
  return config.get("connector.class")?.includes("Checkpoint") === true;
}

function flowKey(config: Settings): string {
  return `${config.get("source.cluster.alias")}->${config.get("target.cluster.alias")}`;
}
