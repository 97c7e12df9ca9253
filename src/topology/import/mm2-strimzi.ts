/** Reads a `KafkaMirrorMaker2` resource of the Strimzi operator, in its v1 and v1beta2 forms. */

import { parseAllDocuments } from "yaml";
import {
  addressesOf,
  type ConnectPlaces,
  checkedAlias,
  importError,
  type Mm2Cluster,
  type Mm2Configuration,
  type Mm2Flow,
  type Settings,
  topologyName,
} from "./mm2-configuration.ts";

type Raw = Readonly<Record<string, unknown>>;

/** Anchors may multiply; a file that expands further than this is refused. */
const ALIASES_MAX = 100;
/** What the operator calls its topics and group when v1beta2 does not say. */
const CONNECT_DEFAULTS: ConnectPlaces = { offsetsTopic: "mirrormaker2-cluster-offsets", group: "mirrormaker2-cluster" };

/** Reads the first such resource of the file; its other documents are left alone.
 *  @throws {ImportError} when there is none, or it is not complete */
export function readStrimzi(file: string, text: string): Mm2Configuration {
  const resource = resourceIn(file, text);
  const spec = mapOf(resource["spec"]);
  const target = mapOf(spec["target"]);
  const isOld = spec["target"] === undefined;
  const mirrors = listOf(spec["mirrors"]).map(mapOf);
  const described = isOld
    ? listOf(spec["clusters"]).map(mapOf)
    : [target, ...mirrors.map((mirror) => mapOf(mirror["source"]))];
  const clusters = new Map(described.map((raw) => clusterOf(file, raw)).map((cluster) => [cluster.alias, cluster]));
  const flows = mirrors.map((mirror): Mm2Flow => {
    const source = isOld ? textOf(mirror["sourceCluster"]) : textOf(mapOf(mirror["source"])["alias"]);
    const end = isOld ? textOf(mirror["targetCluster"]) : textOf(target["alias"]);
    for (const alias of [source, end])
      if (!clusters.has(alias)) throw importError(file, `a mirror names cluster "${alias}", which is not described`);
    return { source, target: end, enabled: true, own: flowSettings(mirror) };
  });
  if (flows.length === 0) throw importError(file, "has no spec.mirrors; nothing is mirrored");
  const name = topologyName(textOf(mapOf(resource["metadata"])["name"]));
  const connectConfig = isOld ? configOf(described.find((raw) => raw["alias"] === spec["connectCluster"])) : new Map();
  const connect = isOld
    ? {
        offsetsTopic: connectConfig.get("offset.storage.topic") ?? CONNECT_DEFAULTS.offsetsTopic,
        group: connectConfig.get("group.id") ?? CONNECT_DEFAULTS.group,
      }
    : { offsetsTopic: textOf(target["offsetStorageTopic"]), group: textOf(target["groupId"]) };
  return { name, clusters: [...clusters.values()], flows, shared: new Map(), connect };
}

function resourceIn(file: string, text: string): Raw {
  for (const document of parseAllDocuments(text, { prettyErrors: false })) {
    const [error] = document.errors;
    if (error !== undefined) throw importError(file, `is no YAML: ${error.message.split("\n", 1)[0]}`);
    const value = mapOf(document.toJS({ maxAliasCount: ALIASES_MAX }));
    if (value["kind"] === "KafkaMirrorMaker2") return value;
  }
  throw importError(file, "has no resource of kind KafkaMirrorMaker2");
}

function clusterOf(file: string, raw: Raw): Mm2Cluster {
  const alias = checkedAlias(file, textOf(raw["alias"]));
  const bootstrap = addressesOf(textOf(raw["bootstrapServers"]));
  if (bootstrap.length === 0) throw importError(file, `cluster "${alias}" has no bootstrapServers; add them`);
  const settings = new Map(configOf(raw));
  const authentication = textOf(mapOf(raw["authentication"])["type"]);
  const isSasl = authentication !== "" && authentication !== "tls";
  if (raw["tls"] !== undefined || isSasl)
    settings.set("security.protocol", `${isSasl ? "SASL_" : ""}${raw["tls"] === undefined ? "PLAINTEXT" : "SSL"}`);
  if (listOf(mapOf(raw["tls"])["trustedCertificates"]).length > 0) settings.set("ssl.truststore.certificates", "");
  if (authentication === "tls") settings.set("ssl.keystore.key", "");
  if (isSasl) settings.set("sasl.mechanism", authentication);
  return { alias, bootstrap, settings };
}

/** The connectors' settings as if they stood in one file, and the patterns beside them, which come first. */
function flowSettings(mirror: Raw): Settings {
  const connectors = ["heartbeatConnector", "checkpointConnector", "sourceConnector"].map((key) => mapOf(mirror[key]));
  const settings = new Map(connectors.flatMap((connector) => [...configOf(connector)]));
  if (connectors.some((connector) => connector["tasksMax"] !== undefined)) settings.set("tasks.max", "");
  const source = mapOf(mirror["sourceConnector"]);
  if (/^(paused|stopped)$/.test(textOf(source["state"])) || source["pause"] === true)
    settings.set("sourceConnector.state", "");
  const patterns = [
    ["topics", ["topicsPattern"]],
    ["topics.exclude", ["topicsExcludePattern", "topicsBlacklistPattern"]],
    ["groups", ["groupsPattern"]],
    ["groups.exclude", ["groupsExcludePattern", "groupsBlacklistPattern"]],
  ] as const;
  for (const [key, names] of patterns) {
    const value = names.map((name) => mirror[name]).find((one) => one !== undefined);
    if (value !== undefined) settings.set(key, textOf(value));
  }
  if (mirror["checkpointConnector"] === undefined && !settings.has("emit.checkpoints.enabled"))
    settings.set("emit.checkpoints.enabled", "false");
  return settings;
}

function configOf(raw: Raw | undefined): Settings {
  return new Map(Object.entries(mapOf(raw?.["config"])).map(([key, value]) => [key, textOf(value)]));
}

function mapOf(value: unknown): Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : value === undefined || value === null ? "" : String(value);
}
