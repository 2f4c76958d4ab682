// SPDX-License-Identifier: LGPL-2.1-or-later
// The Node package `ws` as a client: client_ws.js URL SCENARIO MESSAGES
'use strict';
const crypto = require('crypto');
const WebSocket = require('ws');
const [url, scenario, messages] = process.argv.slice(2);

function payload(i) {
  const data = Buffer.alloc(1920);
  for (let k = 0; k < data.length; k++) data[k] = (i * 31 + k) & 255;
  return data;
}

const socket = new WebSocket(url, { rejectUnauthorized: false });
socket.on('unexpected-response', (request, response) => {
  console.log('status', response.statusCode);
  request.destroy();
});
socket.on('error', () => {});
let digest = '';
socket.on('close', (code) => console.log(scenario === 'oversize' ? '' : 'sent ' + digest + ' ',
  'close ' + code));
socket.on('open', () => {
  if (scenario === 'oversize') {
    socket.send(Buffer.alloc(300000));
    return;
  }
  const hash = crypto.createHash('sha256');
  for (let i = 0; i < Number(messages); i++) {
    const data = payload(i);
    hash.update(data);
    if (scenario === 'fragments') {
      socket.send(data.subarray(0, 1), { fin: false });
      socket.send(data.subarray(1, 1000), { fin: false });
      socket.send(data.subarray(1000), { fin: true });
    } else {
      socket.send(data);
    }
  }
  digest = hash.digest('hex');
  socket.send('{"muted":true}');
  socket.on('pong', (data) => {
    if (data.toString() === 'ping') socket.close(1000, 'done');
  });
  socket.ping('ping');
});
