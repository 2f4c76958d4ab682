// The receiver that one would write without this project, as a yardstick: `ws` takes the tracks,
// plain JavaScript mixes every room each 10 ms; the first room's mix goes to stdout (S16LE stereo).
// A track is ws://127.0.0.1:PORT/ROOM/IDENTITY. Environment: PORT.
'use strict';
const { WebSocketServer } = require('ws');

const TICK_MS = 10;
const SAMPLES = 48000 * 2 * TICK_MS / 1000;
const LONGEST_QUEUE = 48000 * 2 / 2;  // half a second, then the oldest audio goes
const rooms = new Map();

const server = new WebSocketServer({ port: +process.env.PORT, host: '127.0.0.1', perMessageDeflate: false });
server.on('connection', (socket, request) => {
  const room = request.url.split('/')[1];
  if (!rooms.has(room)) rooms.set(room, new Set());
  const track = { chunks: [], head: 0, queued: 0 };
  rooms.get(room).add(track);
  socket.on('message', (data, isBinary) => {
    if (!isBinary) return;
    const aligned = data.byteOffset % 2 === 0 ? data : Uint8Array.from(data);
    const samples = new Int16Array(aligned.buffer, aligned.byteOffset, aligned.length >> 1);
    track.chunks.push(samples);
    track.queued += samples.length;
    while (track.queued > LONGEST_QUEUE) {
      track.queued -= track.chunks.shift().length - track.head;
      track.head = 0;
    }
  });
  const leave = () => rooms.get(room).delete(track);
  socket.on('close', leave);
  socket.on('error', leave);
});

// RMS in dBov, and a smoothed loudest-speaker choice: the least that answers "who is speaking".
function level(samples) {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i] * samples[i];
  return sum === 0 ? -127 : 10 * Math.log10(sum / samples.length / 1073741824);
}

const total = new Int32Array(SAMPLES);
const slice = new Int16Array(SAMPLES);
function mix(tracks) {
  total.fill(0);
  let loudest = null;
  for (const track of tracks) {
    let filled = 0;
    while (filled < SAMPLES && track.chunks.length) {
      const chunk = track.chunks[0];
      const count = Math.min(SAMPLES - filled, chunk.length - track.head);
      for (let i = 0; i < count; i++) {
        const value = chunk[track.head + i];
        slice[filled + i] = value;
        total[filled + i] += value;
      }
      filled += count;
      track.head += count;
      track.queued -= count;
      if (track.head === chunk.length) { track.chunks.shift(); track.head = 0; }
    }
    track.level = 0.9 * (track.level ?? -127) + 0.1 * level(filled === SAMPLES ? slice : slice.subarray(0, filled));
    if (!loudest || track.level > loudest.level) loudest = track;
  }
  const out = Buffer.allocUnsafe(SAMPLES * 2);
  const view = new Int16Array(out.buffer, out.byteOffset, SAMPLES);
  for (let i = 0; i < SAMPLES; i++) view[i] = Math.max(-32768, Math.min(32767, total[i]));
  return out;
}

let ticks = 0;
const start = performance.now();
setInterval(() => {
  for (const due = Math.floor((performance.now() - start) / TICK_MS); ticks < due; ticks++) {
    let first = true;
    for (const tracks of rooms.values()) {
      const out = mix(tracks);
      if (first) process.stdout.write(out);
      first = false;
    }
  }
}, TICK_MS);
