/** Where to listen, as written on a command line. */

import type { Endpoint } from "../core/network.ts";

/** Reachable from this machine alone, unless a host is given. */
const DEFAULT_HOST = "127.0.0.1";

/** `HOST:PORT`, `:PORT` or `PORT`; IPv6 in brackets; port 0 takes any free one. Undefined when it is none of these. */
export function parseHttpAddress(text: string): Endpoint | undefined {
  const { host, ipv6, port } =
    /^(?:(?:\[(?<ipv6>[0-9a-fA-F:.]+)\]|(?<host>[^\s:/[\]]+))?:)?(?<port>\d{1,5})$/.exec(text)?.groups ?? {};
  if (port === undefined || Number(port) > 65_535) return undefined;
  return { host: ipv6 ?? host ?? DEFAULT_HOST, port: Number(port) };
}

/** As a URL says it. */
export function formatHttpAddress({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
