# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python package `websockets` as a client: client_websockets.py URL SCENARIO MESSAGES"""
import asyncio
import hashlib
import ssl
import sys

import websockets
from websockets.asyncio.client import connect


def payload(i):
    return bytes((i * 31 + k) & 255 for k in range(1920))


def tls_of(url):
    if not url.startswith("wss:"):
        return {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


async def main(url, scenario, messages):
    try:
        socket = await connect(url, **tls_of(url))
    except websockets.exceptions.InvalidStatus as refusal:
        print("status", refusal.response.status_code)
        return
    if scenario == "oversize":
        try:
            await socket.send(bytes(300000))
            await socket.recv()
        except websockets.exceptions.ConnectionClosed:
            pass
        print("close", socket.protocol.close_code)
        return
    digest = hashlib.sha256()
    for i in range(messages):
        data = payload(i)
        digest.update(data)
        if scenario == "fragments":
            await socket.send([data[:1], data[1:1000], data[1000:]])
        else:
            await socket.send(data)
    await socket.send('{"muted":true}')
    pong = await socket.ping(b"ping")  # matches the pong's payload
    await asyncio.wait_for(pong, 10)
    await socket.close(1000, "done")
    print("sent", digest.hexdigest(), "close", socket.protocol.close_code)


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
