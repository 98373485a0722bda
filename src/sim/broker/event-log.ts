// Every trade update that has reached the client side, in order, and who listens to them: the WebSocket forgets, the
// replayable event route (GET /v2/events/trades) does not.

const BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ID_TIME_CHARS = 10;
const ID_SEQUENCE_CHARS = 16;

export interface LoggedEvent {
  /** ULID-shaped: sorts by time, then by sequence. */
  readonly eventId: string;
  /** Market time it happened. */
  readonly atUs: number;
  /** The trade update as the bytes of a stream frame. */
  readonly frame: Uint8Array;
}

export type EventSubscriber = (event: LoggedEvent) => void;

export class EventLog {
  readonly events: LoggedEvent[] = [];
  readonly #subscribers = new Set<EventSubscriber>();
  #sequence = 0;

  /** Adds what has just reached the client side and tells the subscribers. */
  append(atUs: number, frame: Uint8Array): void {
    const sequence = this.#sequence++;
    const eventId = base32(Math.floor(atUs / 1_000), ID_TIME_CHARS) + base32(sequence, ID_SEQUENCE_CHARS);
    const event = { eventId, atUs, frame };
    this.events.push(event);
    for (const subscriber of this.#subscribers) this.#tell(subscriber, event);
  }

  /** A subscriber that fails has gone away with its connection; it must not take the venue with it. */
  #tell(subscriber: EventSubscriber, event: LoggedEvent): void {
    try {
      subscriber(event);
    } catch {
      this.#subscribers.delete(subscriber);
    }
  }

  /** @returns a function that ends the subscription */
  subscribe(subscriber: EventSubscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }
}

function base32(value: number, chars: number): string {
  let text = "";
  let rest = value;
  for (let i = 0; i < chars; i++) {
    text = BASE32[rest % 32]! + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
