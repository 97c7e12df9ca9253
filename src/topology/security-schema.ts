/** How a region's brokers are reached safely, as a topology says it: TLS, and who the worker is. */

import * as z from "zod";
import { nearestName } from "./nearest.ts";
import { referenceProblem } from "./references.ts";

/** TLS; texts are PEM and may hold references, resolved where the region is reached. */
export interface TlsDeclaration {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly serverName?: string | undefined;
}

/** Who the worker is; texts may hold references. */
export type SaslDeclaration =
  | {
      readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
      readonly username: string;
      readonly password: string;
    }
  | { readonly mechanism: "oauthbearer"; readonly token: string };

/** What a region says about both. */
export interface RegionSecurity {
  readonly tls?: TlsDeclaration | undefined;
  readonly sasl?: SaslDeclaration | undefined;
}

const text = z.string().superRefine((value, context) => {
  const problem = referenceProblem(value);
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
});

/** The value of `tls:`; false is none, for a region that takes the defaults back. */
export const tlsSchema = z.union([
  z.boolean().transform((on): TlsDeclaration | undefined => (on ? {} : undefined)),
  z
    .strictObject({
      ca: text.optional().describe("PEM of the authority behind the brokers' certificates: \u0024{file:path}."),
      cert: text.optional().describe("PEM of the worker's own certificate, where brokers ask for one."),
      key: text.optional().describe("PEM of its key, without a passphrase."),
      serverName: text.optional().describe("The name that certificates must have, if not the address's."),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
      message: "cert and key belong together; write both, or neither",
    }),
]);

/** As Kafka names them, in small letters. */
const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"] as const;

const mechanism = z.string().transform((written, context): (typeof MECHANISMS)[number] => {
  const known = MECHANISMS.find((name) => name === written.toLowerCase());
  if (known !== undefined) return known;
  const message = `"${written}" is no mechanism that is known here; write ${MECHANISMS.join(", ")}`;
  const suggestion = nearestName(written.toLowerCase(), MECHANISMS);
  context.issues.push({ code: "custom", input: written, message, params: { suggestion } });
  return z.NEVER;
});

/** The value of `sasl:`. Mechanisms may be written as Kafka writes them. */
export const saslSchema = z
  .strictObject({
    mechanism: mechanism.describe(`One of ${MECHANISMS.join(", ")}.`),
    username: text.optional(),
    password: text.optional().describe("By reference: \u0024{env:NAME} or \u0024{file:path}."),
    token: text.optional().describe("Of oauthbearer, by reference; read anew for each connection."),
  })
  .transform((value, context): SaslDeclaration => {
    const { mechanism: chosen, username, password, token } = value;
    const refuse = (message: string): never => {
      context.issues.push({ code: "custom", input: value, message });
      return z.NEVER;
    };
    if (chosen === "oauthbearer") {
      if (token === undefined || username !== undefined || password !== undefined)
        return refuse("oauthbearer takes a token, and nothing else");
      return { mechanism: chosen, token };
    }
    if (username === undefined || password === undefined || token !== undefined)
      return refuse(`${chosen} takes username and password, and nothing else`);
    return { mechanism: chosen, username, password };
  });
