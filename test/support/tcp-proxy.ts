// A wire that can be cut: carries TCP connections to a port of this machine, until told otherwise.

import type { Socket, TCPSocketListener } from "bun";

interface End {
  peer: Socket<End> | null;
  /** What came before the other end was there. */
  waiting: Buffer[];
}

export class TcpProxy {
  readonly port: number;
  /** What servers send is swallowed: requests arrive, answers do not. */
  isDeaf = false;
  readonly #listener: TCPSocketListener<End>;
  readonly #ends = new Set<Socket<End>>();

  constructor(targetPort: number) {
    this.#listener = Bun.listen<End>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.data = { peer: null, waiting: [] };
          this.#ends.add(socket);
          this.#connect(socket, targetPort).catch(() => socket.terminate());
        },
        data: (socket, bytes) => {
          if (socket.data.peer === null) socket.data.waiting.push(Buffer.from(bytes));
          else socket.data.peer.write(bytes);
        },
        close: (socket) => this.#close(socket),
      },
    });
    this.port = this.#listener.port;
  }

  /** Tears down every connection that there is. */
  cut(): void {
    for (const socket of [...this.#ends]) socket.terminate();
  }

  stop(): void {
    this.#listener.stop(true);
    this.cut();
  }

  async #connect(client: Socket<End>, port: number): Promise<void> {
    const server = await Bun.connect<End>({
      hostname: "127.0.0.1",
      port,
      data: { peer: client, waiting: [] },
      socket: {
        data: (socket, bytes) => {
          if (!this.isDeaf) socket.data.peer?.write(bytes);
        },
        close: (socket) => this.#close(socket),
      },
    });
    this.#ends.add(server);
    client.data.peer = server;
    for (const bytes of client.data.waiting.splice(0)) server.write(bytes);
  }

  #close(socket: Socket<End>): void {
    this.#ends.delete(socket);
    socket.data.peer?.end();
  }
}
