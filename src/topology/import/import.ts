/** Turns the configuration of another mirror into a topology. */

import { topologyName } from "./mm2-configuration.ts";
import { readMm2Properties } from "./mm2-properties.ts";
import { readStrimzi } from "./mm2-strimzi.ts";
import { type ImportedTopology, topologyOf } from "./mm2-topology.ts";

/** A file to import; `name` names the topology where the file itself has no name. */
export interface ImportSource {
  readonly file: string;
  readonly text: string;
  readonly name: string;
}

/** Imports `mm2.properties`, or a Strimzi `KafkaMirrorMaker2` resource (anything that looks like YAML).
 *  @throws {ImportError} */
export function importTopology({ file, text, name }: ImportSource): ImportedTopology {
  const isYaml = /^\s*(kind|apiVersion|spec)\s*:/m.test(text);
  const configuration = isYaml ? readStrimzi(file, text) : readMm2Properties(file, text, topologyName(name));
  return topologyOf(configuration, { file });
}
