// Can the hosts of the mode be reached? In sim the loopback is tried; in paper and live a connection, with TLS where the URL says
// so, to each host. Nothing is sent, so no key leaves the machine.

import { endpointsOf } from "../../config/endpoints.ts";
import type { Config } from "../../config/schema.ts";
import { monotonicNs } from "../../core/clock.ts";
import { type Finding, findingsOf, reasonOf } from "./finding.ts";

const { ok, fail } = findingsOf("connectivity");

export async function checkConnectivity(config: Config): Promise<Finding[]> {
  const urls = [...new Set(Object.values(endpointsOf(config)))].filter((url) => url !== "").map((url) => new URL(url));
  const byPlace = new Map(urls.map((url) => [`${isTls(url) ? "tls" : "tcp"} ${url.hostname}:${portOf(url)}`, url]));
  const checks = [...byPlace.values()].map((url) => checkHost(url, config.feed.connectTimeoutMs));
  return await Promise.all(config.mode === "sim" ? [checkLoopback(), ...checks] : checks);
}

/** Connects to a listener of our own on 127.0.0.1 and gets a byte back. */
export async function checkLoopback(): Promise<Finding> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  try {
    using listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket, bytes) => void socket.write(bytes) },
    });
    const timer = setTimeout(() => reject(new Error("no answer within 2 s")), 2000);
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: listener.port,
      socket: { open: (client) => void client.write("g"), data: () => resolve(), error: (_, error) => reject(error) },
    });
    await promise.finally(() => clearTimeout(timer));
    socket.end();
    return ok("the loopback carries connections");
  } catch (error) {
    return fail(
      `a connection on 127.0.0.1 failed: ${reasonOf(error)}`,
      "let local sockets through: firewall, sandbox, limits",
    );
  }
}

/** Opens a connection and, for https and wss, finishes the TLS handshake. */
export async function checkHost(url: URL, timeoutMs: number): Promise<Finding> {
  const place = `${url.hostname}:${portOf(url)}`;
  const startNs = monotonicNs();
  try {
    await connectOnce(url, timeoutMs);
    const ms = ((monotonicNs() - startNs) / 1e6).toFixed(0);
    return ok(`${place} answers${isTls(url) ? " with valid TLS" : ""} in ${ms} ms`);
  } catch (error) {
    return fail(
      `${place} cannot be reached: ${reasonOf(error)}`,
      "check network, proxy, firewall and the URL overrides",
    );
  }
}

async function connectOnce(url: URL, timeoutMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
  const connecting = Bun.connect({
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: portOf(url),
    tls: isTls(url) ? { serverName: url.hostname } : false,
    socket: {
      open: () => {
        if (!isTls(url)) resolve();
      },
      handshake: (_, isSecure, error) => {
        if (isSecure) resolve();
        else reject(error ?? new Error("the TLS handshake failed"));
      },
      data() {},
      error: (_, error) => reject(error),
      connectError: (_, error) => reject(error),
      close: () => reject(new Error("the host closed the connection")),
    },
  });
  connecting.catch(reject);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    // A connection that comes after the time-out is closed too.
    void connecting.then((socket) => socket.end()).catch(() => {});
  }
}

function isTls(url: URL): boolean {
  return url.protocol === "https:" || url.protocol === "wss:";
}

function portOf(url: URL): number {
  return url.port !== "" ? Number(url.port) : isTls(url) ? 443 : 80;
}
