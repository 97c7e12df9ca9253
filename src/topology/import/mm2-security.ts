/** TLS and SASL of a cluster as a topology says them: what is secret by names of files and variables that are still to be filled. */

import type { Settings } from "./mm2-configuration.ts";

/** Kafka's names of what a topology knows, too. */
const MECHANISMS: ReadonlySet<string> = new Set(["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"]);

/** What a region says about security. */
export interface ImportedSecurity {
  /** `tls: ...` and `sasl: ...`; none for a plain cluster. */
  readonly entries: readonly string[];
  /** What a person has to know; empty for nothing. */
  readonly comment: string;
}

/** Reads the settings of a cluster; mechanisms may have Strimzi's names. */
export function importedSecurity(alias: string, settings: Settings): ImportedSecurity {
  const value = (key: string): string => settings.get(key)?.trim() ?? "";
  const has = (start: string): boolean => [...settings.keys()].some((key) => key.startsWith(start));
  const protocol = value("security.protocol").toUpperCase();
  const isTls = protocol === "" ? has("ssl.") : protocol.endsWith("SSL");
  const isSasl = protocol === "" ? has("sasl.") : protocol.startsWith("SASL");
  const written = value("sasl.mechanism").toLowerCase();
  const mechanism = written === "oauth" ? "oauthbearer" : written;
  const isKnown = MECHANISMS.has(mechanism);
  const tls = isTls ? [tlsEntry(alias, { hasCa: has("ssl.truststore."), hasKey: has("ssl.keystore.") })] : [];
  const sasl = isSasl && isKnown ? [saslEntry(alias, mechanism)] : [];
  const comment = isSasl && !isKnown ? " # asks for SASL by a mechanism that is not known here" : "";
  return { entries: [...tls, ...sasl], comment };
}

function tlsEntry(alias: string, { hasCa, hasKey }: { readonly hasCa: boolean; readonly hasKey: boolean }): string {
  const file = (what: string): string => `"\${file:${alias}-${what}.pem}"`;
  const parts = [
    ...(hasCa ? [`ca: ${file("ca")}`] : []),
    ...(hasKey ? [`cert: ${file("cert")}, key: ${file("key")}`] : []),
  ];
  return parts.length === 0 ? "tls: true" : `tls: {${parts.join(", ")}}`;
}

function saslEntry(alias: string, mechanism: string): string {
  const variable = (what: string): string => `"\${env:${alias.toUpperCase().replaceAll("-", "_")}_${what}}"`;
  const who =
    mechanism === "oauthbearer"
      ? `token: ${variable("TOKEN")}`
      : `username: ${variable("USERNAME")}, password: ${variable("PASSWORD")}`;
  return `sasl: {mechanism: ${mechanism}, ${who}}`;
}
