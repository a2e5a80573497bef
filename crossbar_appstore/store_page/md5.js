// MD5 (RFC 1321), which Crossbar requires for credentials and browsers do not provide.

const SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
const SINES = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);
const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

export function md5(text) {
  const words = padded(new TextEncoder().encode(text));
  let state = Int32Array.from(START, (word) => word | 0);
  for (let at = 0; at < words.length; at += 16) {
    const mixed = mix(state, words.subarray(at, at + 16));
    state = state.map((word, i) => word + mixed[i]);
  }
  const bytes = new DataView(new ArrayBuffer(16));
  state.forEach((word, i) => bytes.setInt32(4 * i, word, true));
  return Array.from(new Uint8Array(bytes.buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function padded(bytes) {
  const length = (((bytes.length + 8) >> 6) + 1) * 16;
  const view = new DataView(new ArrayBuffer(4 * length));
  bytes.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint8(bytes.length, 0x80);
  view.setUint32(4 * length - 8, 8 * bytes.length, true);
  return Int32Array.from({ length }, (_, i) => view.getInt32(4 * i, true));
}

function mix(state, block) {
  let [a, b, c, d] = state;
  for (let i = 0; i < 64; i += 1) {
    const round = i >> 4;
    const [word, picked] = [
      [(b & c) | (~b & d), i],
      [(d & b) | (~d & c), 5 * i + 1],
      [b ^ c ^ d, 3 * i + 5],
      [c ^ (b | ~d), 7 * i],
    ][round];
    const sum = (a + word + SINES[i] + block[picked % 16]) | 0;
    const shift = SHIFTS[round][i % 4];
    [a, b, c, d] = [d, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0, b, c];
  }
  return [a, b, c, d];
}
