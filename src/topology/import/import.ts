/** Turns the configuration of another mirror into a topology. */

import { type Mm2Configuration, topologyName } from "./mm2-configuration.ts";
import { readConnectors } from "./mm2-connectors.ts";
import { readMm2Properties } from "./mm2-properties.ts";
import { readStrimzi } from "./mm2-strimzi.ts";
import { type ImportedTopology, topologyOf } from "./mm2-topology.ts";

/** A file to import; `name` names the topology where the file itself has no name. */
export interface ImportSource {
  readonly file: string;
  readonly text: string;
  readonly name: string;
}

/** Imports `mm2.properties`, connectors as Kafka Connect's REST interface has them (anything that looks like JSON), or a Strimzi
 *  `KafkaMirrorMaker2` resource (like YAML). @throws {ImportError} */
export function importTopology({ file, text, name }: ImportSource): ImportedTopology {
  return topologyOf(configurationIn({ file, text, name }), { file });
}

function configurationIn({ file, text, name }: ImportSource): Mm2Configuration {
  if (/^\s*[{[]/.test(text)) return readConnectors(file, text, topologyName(name));
  if (/^\s*(kind|apiVersion|spec)\s*:/m.test(text)) return readStrimzi(file, text);
  return readMm2Properties(file, text, topologyName(name));
}
