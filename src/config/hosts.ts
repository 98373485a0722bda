// Where gyr connects to, and who may change that. A wrong host gets orders and keys, so an override is refused in live mode,
// free on this machine, and elsewhere needs the host named a second time and an encrypted scheme.

import { LIVE_HOSTS } from "./endpoints.ts";
import type { Config } from "./schema.ts";

/** The keys that can override a host. */
export const OVERRIDES: readonly { readonly path: string; get(config: Config): string }[] = [
  { path: "feed.rest_url", get: (config) => config.feed.restUrl },
  { path: "feed.socket_url", get: (config) => config.feed.socketUrl },
  { path: "gateway.trading_url", get: (config) => config.gateway.tradingUrl },
  { path: "gateway.stream_url", get: (config) => config.gateway.streamUrl },
];

/** Why an override is refused. */
export interface HostFinding {
  readonly what: string;
  readonly remedy: string;
}

/** What is wrong with one override in the configuration's mode, or null. */
export function checkOverride(config: Config, path: string, text: string): HostFinding | null {
  if (text === "") return null;
  if (config.mode === "live") {
    return {
      what: `${path} overrides a host, which live mode never allows`,
      remedy: "delete the line; test against another host in sim or paper mode",
    };
  }
  const url = URL.parse(text);
  // The schema has refused it already.
  if (url === null) return null;
  const host = plainHost(url.hostname);
  if (isLoopback(host)) return null;
  if (LIVE_HOSTS.includes(host)) {
    return {
      what: `${path} names ${host}, the host of real money, in ${config.mode} mode`,
      remedy: 'delete the line; real money is traded with mode = "live" only',
    };
  }
  if (!config.hosts.allow.some((name) => plainHost(name) === host)) {
    return {
      what: `${path} names ${host}, which is not this machine and is not named a second time`,
      remedy: `if that host may see your orders and keys, add it: [hosts] allow = ["${host}"]`,
    };
  }
  if (url.protocol === "http:" || url.protocol === "ws:") {
    return {
      what: `${path} would send keys to ${host} in clear text`,
      remedy: `use ${url.protocol === "http:" ? "https" : "wss"}://${url.host}`,
    };
  }
  return null;
}

/** True for addresses that never leave this machine: localhost, 127.0.0.0/8, ::1. */
export function isLoopback(hostname: string): boolean {
  const host = plainHost(hostname);
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Lower case, without the brackets of an IPv6 address and without the dot that ends a full name. */
function plainHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}
