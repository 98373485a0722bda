// Requests a minute on market time: a bucket that holds one minute's worth and fills evenly.

const MINUTE_US = 60_000_000;
const US_PER_SEC = 1_000_000;

export class TokenBucket {
  readonly perMinute: number;
  #tokens: number;
  #asOfUs: number;

  /** @param perMinute 0 means no limit */
  constructor(perMinute: number, nowUs: number) {
    this.perMinute = perMinute;
    this.#tokens = perMinute;
    this.#asOfUs = nowUs;
  }

  /** Takes a token; false when there is none. */
  tryTake(nowUs: number): boolean {
    if (this.perMinute === 0) return true;
    this.#tokens = Math.min(this.perMinute, this.#tokens + ((nowUs - this.#asOfUs) * this.perMinute) / MINUTE_US);
    this.#asOfUs = nowUs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Whole tokens left. */
  get remaining(): number {
    return Math.floor(this.#tokens);
  }

  /** When there will be a token, Unix seconds of market time, rounded up. */
  get resetSec(): number {
    const waitUs = this.#tokens >= 1 || this.perMinute === 0 ? 0 : ((1 - this.#tokens) * MINUTE_US) / this.perMinute;
    return Math.ceil((this.#asOfUs + waitUs) / US_PER_SEC);
  }
}
