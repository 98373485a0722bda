// Ids that look like the vendor's and are the same in every run: a UUID made from the seed and a name.
// An order's id comes from its client_order_id, so it does not depend on which of two sockets was read first.

/** UUID (version 4 by its bits) of `name` under `seed`; the same pair always gives the same one. */
export function uuidOf(seed: number, name: string): string {
  let a = (seed ^ 0x243f6a88) | 0;
  let b = (seed ^ 0x85a308d3) | 0;
  let c = (seed ^ 0x13198a2e) | 0;
  let d = (seed ^ 0x03707344) | 0;
  for (let i = 0; i < name.length; i++) {
    const char = name.charCodeAt(i);
    a = Math.imul(rotate(a ^ char, 11), 0x9e3779b1) + b;
    b = Math.imul(rotate(b ^ char, 15), 0x85ebca77) + c;
    c = Math.imul(rotate(c ^ char, 19), 0xc2b2ae3d) + d;
    d = Math.imul(rotate(d ^ char, 23), 0x27d4eb2f) + a;
  }
  a = mix(a ^ name.length);
  b = mix(b + a);
  c = mix(c + b);
  d = mix(d + c);
  a = mix(a + d);
  const version = ((b & 0xffff0fff) | 0x4000) >>> 0;
  const variant = ((c & 0x3fffffff) | 0x80000000) >>> 0;
  const second = hex8(version);
  const third = hex8(variant);
  return `${hex8(a)}-${second.slice(0, 4)}-${second.slice(4)}-${third.slice(0, 4)}-${third.slice(4)}${hex8(d)}`;
}

/** 0..1 from an id made by `uuidOf`: a fixed order among orders that reach the venue in the same microsecond. */
export function fractionOf(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8), 16) / 2 ** 32;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function mix(value: number): number {
  let x = value ^ (value >>> 16);
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return x ^ (x >>> 16);
}

function hex8(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
